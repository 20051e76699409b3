package io.sage4j.plan;

import io.sage4j.SageException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;

/**
 * Settings of one file, or of the command line, that say where they come from when something is wrong with them.
 *
 * @param source for error messages
 * @param values key and value
 */
record SettingsFile(String source, Map<String, String> values) {
    private static final String FOLDER = "/io/sage4j/tornado-config/";

    /** A file of tornado-config, from the jar. */
    static SettingsFile ofJar(String name) {
        try (InputStream in = open(name)) {
            return read("tornado-config/" + name, new InputStreamReader(in, StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new SageException("cannot read tornado-config/" + name + ": " + e.getMessage(), e);
        }
    }

    /** Lines of a file of tornado-config. */
    static Collection<String> lines(String name) {
        try (InputStream in = open(name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        } catch (IOException e) {
            throw new SageException("cannot read tornado-config/" + name + ": " + e.getMessage(), e);
        }
    }

    private static InputStream open(String name) {
        InputStream in = SettingsFile.class.getResourceAsStream(FOLDER + name);
        if (in == null) {
            throw new SageException("no tornado-config/" + name + " in this build of sage4j");
        }
        return in;
    }

    /** A file of the user's. */
    static SettingsFile of(Path file) {
        try (Reader in = Files.newBufferedReader(file)) {
            return read(file.toString(), in);
        } catch (IOException e) {
            throw new SageException("cannot read the device profile " + file + ": " + e, e);
        }
    }

    private static SettingsFile read(String source, Reader in) throws IOException {
        Properties properties = new Properties();
        try {
            properties.load(in);
        } catch (IllegalArgumentException e) {
            throw new SageException(source + ": " + e.getMessage() + ", expected lines of key=value", e);
        }
        Map<String, String> values = new TreeMap<>();
        properties.stringPropertyNames().forEach(key -> values.put(key, properties.getProperty(key)));
        return new SettingsFile(source, values);
    }

    /** These settings, and where they say nothing those of another file. */
    SettingsFile over(SettingsFile below) {
        Map<String, String> all = new TreeMap<>(below.values);
        all.putAll(values);
        return new SettingsFile(values.isEmpty() ? below.source : source + " over " + below.source, all);
    }

    /** Refuses keys that nobody reads: a misspelt one would do nothing, silently. */
    void requireOnly(Collection<String> known) {
        for (String key : values.keySet()) {
            if (!known.contains(key)) {
                throw new SageException(
                        source + ": unknown key '" + key + "', expected one of " + String.join(", ", known));
            }
        }
    }

    /** A key that must be there. */
    String text(String key) {
        String value = values.get(key);
        if (value == null) {
            throw new SageException(source + ": no " + key);
        }
        return value.strip();
    }

    /** A positive whole number. */
    int number(String key) {
        String value = text(key);
        if (!value.matches("[1-9]\\d{0,8}")) {
            throw new SageException(source + ": " + key + " is '" + value + "', expected a positive whole number");
        }
        return Integer.parseInt(value);
    }

    /** true or false. */
    boolean flag(String key) {
        String value = text(key);
        if (!value.equals("true") && !value.equals("false")) {
            throw new SageException(source + ": " + key + " is '" + value + "', expected true or false");
        }
        return value.equals("true");
    }
}
