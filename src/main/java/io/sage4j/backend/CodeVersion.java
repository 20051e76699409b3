package io.sage4j.backend;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * A number that changes with the classes that generate kernels, so that a compiled kernel is never taken for one of other
 * generators. From a jar it comes from its directory, which has a checksum of every class.
 */
final class CodeVersion {
    /** What a kernel's text depends on; the order of plan's parameters is part of it. */
    private static final List<String> FOLDERS = List.of("io/sage4j/ptx/", "io/sage4j/numeric/", "io/sage4j/plan/");

    private static final class Here {
        private static final Optional<String> FOUND = of(CodeVersion.class);
    }

    private CodeVersion() {}

    /** The number of the running classes; empty if where they come from cannot be read. */
    static Optional<String> here() {
        return Here.FOUND;
    }

    private static Optional<String> of(Class<?> type) {
        CodeSource source = type.getProtectionDomain().getCodeSource();
        try {
            return source == null
                    ? Optional.empty()
                    : Optional.of(of(Path.of(source.getLocation().toURI())));
        } catch (IOException | UncheckedIOException | URISyntaxException | IllegalArgumentException unreadable) {
            return Optional.empty();
        }
    }

    static String of(Path place) throws IOException {
        CRC32 crc = new CRC32();
        if (Files.isDirectory(place)) {
            for (String folder : FOLDERS) {
                ofFolder(place, place.resolve(folder), crc);
            }
        } else {
            ofJar(place, crc);
        }
        return Long.toHexString(crc.getValue());
    }

    private static void ofFolder(Path root, Path folder, CRC32 all) throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                CRC32 one = new CRC32();
                one.update(Files.readAllBytes(file));
                add(all, root.relativize(file).toString().replace('\\', '/'), one.getValue());
            }
        }
    }

    private static void ofJar(Path jar, CRC32 all) throws IOException {
        try (ZipFile zip = new ZipFile(jar.toFile())) {
            for (String folder : FOLDERS) {
                zip.stream()
                        .filter(e -> !e.isDirectory() && e.getName().startsWith(folder))
                        .sorted((a, b) -> a.getName().compareTo(b.getName()))
                        .forEach((ZipEntry e) -> add(all, e.getName(), e.getCrc()));
            }
        }
    }

    private static void add(CRC32 all, String name, long crc) {
        all.update((name + " " + crc + "\n").getBytes(StandardCharsets.UTF_8));
    }
}
