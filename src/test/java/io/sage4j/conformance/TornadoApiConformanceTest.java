package io.sage4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every public class, method, constructor and field that tornado-jvm has exists in the SDK's tornado-api with the same
 * signature and value, so that class files compiled against the one link against the other. Needs an SDK.
 */
@EnabledIfEnvironmentVariable(named = "TORNADOVM_HOME", matches = ".+")
class TornadoApiConformanceTest {
    private static final Path SOURCES = Path.of("src/tornado-jvm/java");
    private static final String API = "uk.ac.manchester.tornado.api";
    private static final int LINKAGE = Modifier.STATIC | Modifier.PUBLIC | Modifier.PROTECTED;

    private final List<String> differences = new ArrayList<>();

    @Test
    void everything_in_tornado_jvm_exists_in_the_sdk(@TempDir Path classes) throws Exception {
        compile(classes);
        int checked = 0;
        try (URLClassLoader ours =
                        new URLClassLoader(new URL[] {classes.toUri().toURL()}, ClassLoader.getPlatformClassLoader());
                URLClassLoader theirs = new URLClassLoader(
                        new URL[] {sdkApi().toUri().toURL()}, ClassLoader.getPlatformClassLoader())) {
            for (String name : classNames(classes)) {
                Class<?> mine = Class.forName(name, false, ours);
                if (!isVisible(mine)) {
                    continue;
                }
                checked++;
                try {
                    compare(mine, Class.forName(name, false, theirs));
                } catch (ClassNotFoundException e) {
                    differences.add(name + ": no such class in the SDK");
                }
            }
        }
        assertThat(differences).isEmpty();
        assertThat(checked).as("public classes of tornado-jvm").isGreaterThan(40);
    }

    private static Path sdkApi() throws Exception {
        Path jars = Path.of(System.getenv("TORNADOVM_HOME"), "share/java/tornado");
        try (Stream<Path> files = Files.list(jars)) {
            return files.filter(f -> f.getFileName().toString().matches("tornado-api-.*\\.jar"))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError("no tornado-api jar in " + jars));
        }
    }

    private static void compile(Path target) throws Exception {
        JavaCompiler javac = ToolProvider.getSystemJavaCompiler();
        try (StandardJavaFileManager files = javac.getStandardFileManager(null, null, null);
                Stream<Path> sources = Files.walk(SOURCES)) {
            List<Path> java =
                    sources.filter(p -> p.toString().endsWith(".java")).toList();
            // An empty class path, so that nothing is taken from the SDK that this JVM runs on.
            List<String> options =
                    List.of("--release", "25", "-proc:none", "-cp", target.toString(), "-d", target.toString());
            boolean ok = javac.getTask(null, files, null, options, null, files.getJavaFileObjectsFromPaths(java))
                    .call();
            assertThat(ok).as("compiling " + SOURCES).isTrue();
        }
    }

    private static List<String> classNames(Path classes) throws Exception {
        try (Stream<Path> files = Files.walk(classes)) {
            return files.map(f -> classes.relativize(f).toString())
                    .filter(f -> f.endsWith(".class"))
                    .map(f -> f.substring(0, f.length() - ".class".length()).replace('/', '.'))
                    .filter(n -> n.startsWith(API))
                    .sorted()
                    .toList();
        }
    }

    private static boolean isVisible(Class<?> c) {
        for (Class<?> k = c; k != null; k = k.getEnclosingClass()) {
            if ((k.getModifiers() & (Modifier.PUBLIC | Modifier.PROTECTED)) == 0) {
                return false;
            }
        }
        return true;
    }

    private static boolean isVisible(Member m) {
        return (m.getModifiers() & (Modifier.PUBLIC | Modifier.PROTECTED)) != 0 && !m.isSynthetic();
    }

    private void compare(Class<?> mine, Class<?> sdk) {
        String name = mine.getName();
        same(name + " interface", mine.isInterface(), sdk.isInterface());
        same(name + " abstract", Modifier.isAbstract(mine.getModifiers()), Modifier.isAbstract(sdk.getModifiers()));
        same(name + " static", Modifier.isStatic(mine.getModifiers()), Modifier.isStatic(sdk.getModifiers()));
        same(name + " enum", mine.isEnum(), sdk.isEnum());
        if (mine.getSuperclass() != null && mine.getSuperclass() != Object.class) {
            same(name + " superclass", mine.getSuperclass().getName(), superclassName(sdk));
        }
        for (Class<?> i : mine.getInterfaces()) {
            boolean there =
                    Arrays.stream(sdk.getInterfaces()).anyMatch(s -> s.getName().equals(i.getName()));
            if (!there && i.getName().startsWith(API)) {
                differences.add(name + " implements " + i.getName() + ", the SDK's class does not");
            }
        }
        if (mine.isEnum()) {
            List<String> constants = names(sdk.getEnumConstants());
            for (String constant : names(mine.getEnumConstants())) {
                if (!constants.contains(constant)) {
                    differences.add(name + "." + constant + ": no such constant in the SDK");
                }
            }
        }
        for (Method m : mine.getDeclaredMethods()) {
            if (isVisible(m)) {
                find(name, signature(m), m, Stream.concat(Arrays.stream(sdk.getDeclaredMethods()), inherited(sdk)));
            }
        }
        for (Constructor<?> c : mine.getDeclaredConstructors()) {
            if (isVisible(c) && !mine.isEnum()) {
                find(name, signature(c), c, Arrays.stream(sdk.getDeclaredConstructors()));
            }
        }
        for (Field f : mine.getDeclaredFields()) {
            if (isVisible(f)) {
                compare(name, f, sdk);
            }
        }
    }

    private static Stream<Method> inherited(Class<?> sdk) {
        return Arrays.stream(sdk.getMethods()).filter(m -> m.getDeclaringClass() != sdk);
    }

    private static String superclassName(Class<?> c) {
        return c.getSuperclass() == null ? null : c.getSuperclass().getName();
    }

    private static List<String> names(Object[] constants) {
        return Arrays.stream(constants).map(c -> ((Enum<?>) c).name()).toList();
    }

    private <M extends AccessibleObject & Member> void find(
            String owner, String signature, Member mine, Stream<? extends M> candidates) {
        List<? extends M> same =
                candidates.filter(c -> signature(c).equals(signature)).toList();
        if (same.isEmpty()) {
            differences.add(owner + ": " + signature + " is not in the SDK");
            return;
        }
        boolean links = same.stream().anyMatch(c -> (c.getModifiers() & LINKAGE) == (mine.getModifiers() & LINKAGE));
        if (!links) {
            differences.add(owner + ": " + signature + " is " + Modifier.toString(mine.getModifiers())
                    + ", the SDK's is " + Modifier.toString(same.get(0).getModifiers()));
        }
    }

    private void compare(String owner, Field mine, Class<?> sdk) {
        try {
            Field other = field(sdk, mine.getName());
            same(
                    owner + "." + mine.getName() + " type",
                    mine.getType().getName(),
                    other.getType().getName());
            same(
                    owner + "." + mine.getName() + " static",
                    Modifier.isStatic(mine.getModifiers()),
                    Modifier.isStatic(other.getModifiers()));
            boolean constant = Modifier.isStatic(mine.getModifiers())
                    && Modifier.isFinal(mine.getModifiers())
                    && (mine.getType().isPrimitive() || mine.getType() == String.class);
            if (constant) {
                same(owner + "." + mine.getName(), mine.get(null), other.get(null));
            }
        } catch (NoSuchFieldException e) {
            differences.add(owner + "." + mine.getName() + ": no such field in the SDK");
        } catch (IllegalAccessException e) {
            throw new AssertionError(e);
        }
    }

    private static Field field(Class<?> owner, String name) throws NoSuchFieldException {
        for (Class<?> c = owner; c != null; c = c.getSuperclass()) {
            for (Field f : c.getDeclaredFields()) {
                if (f.getName().equals(name) && isVisible(f)) {
                    return f;
                }
            }
        }
        throw new NoSuchFieldException(name);
    }

    /** Name, parameter and return types: what the JVM links by. */
    private static String signature(Object member) {
        if (member instanceof Method m) {
            return m.getName() + types(m.getParameterTypes()) + " -> "
                    + m.getReturnType().getName();
        }
        return "<init>" + types(((Constructor<?>) member).getParameterTypes());
    }

    private static String types(Class<?>[] types) {
        return Arrays.stream(types).map(Class::getName).collect(Collectors.joining(", ", "(", ")"));
    }

    private void same(String what, Object mine, Object sdk) {
        if (!Objects.equals(mine, sdk)) {
            differences.add(what + " is " + mine + ", in the SDK " + sdk);
        }
    }
}
