package io.sage4j.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * The script {@code ./sage4j} in a house of cards: a built copy of the project without classes, a JDK whose java prints its
 * arguments, SDKs without content, and an ldconfig that lists the libraries of the test.
 */
@EnabledOnOs(OS.LINUX)
class LauncherTest {
    private static final String TORNADO = "share/java/tornado/";

    @TempDir
    Path folder;

    private Path home;
    private Path jdk;
    private Path bin;
    private Path sdk;

    private record Run(int status, List<String> out, String err) {
        void refuses(String why) {
            assertThat(err.strip().lines()).hasSize(1);
            assertThat(err).startsWith("sage4j: ").contains(why);
            assertThat(status).isEqualTo(2);
            assertThat(out).isEmpty();
        }

        Run starts() {
            assertThat(err).isEmpty();
            assertThat(status).isZero();
            return this;
        }

        String after(String option) {
            assertThat(out).contains(option);
            return out.get(out.indexOf(option) + 1);
        }
    }

    @BeforeEach
    void build() throws IOException {
        home = Files.createDirectories(folder.resolve("home"));
        Files.copy(Path.of("sage4j"), home.resolve("sage4j"));
        for (String source : List.of("src/main", "src/tornado-jvm", "tornado-config", "target/lib")) {
            Files.createDirectories(home.resolve(source));
        }
        file(home.resolve("pom.xml"), "");
        file(home.resolve("target/sage4j-1.jar"), "");
        file(home.resolve("target/.built"), "");
        jdk = folder.resolve("jdk");
        file(jdk.resolve("release"), "JAVA_VERSION=\"25.0.2\"\n");
        script(jdk.resolve("bin/javac"), "exit 1");
        script(jdk.resolve("bin/java"), "printf '%s\\n' \"$@\"");
        bin = folder.resolve("bin");
        libraries();
        sdk = sdk("opencl", "ptx", "cuda");
    }

    private static void file(Path path, String text) throws IOException {
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    private static void script(Path path, String text) throws IOException {
        file(path, "#!/bin/sh\n" + text + "\n");
        assertThat(path.toFile().setExecutable(true)).isTrue();
    }

    /** Sets which libraries the machine has. */
    private void libraries(String... names) throws IOException {
        StringBuilder lines = new StringBuilder("1 libs found");
        for (String name : names) {
            lines.append("\n\t")
                    .append(name)
                    .append(" (libc6,x86-64) => /usr/lib/")
                    .append(name);
        }
        script(bin.resolve("ldconfig"), "cat <<'END'\n" + lines + "\nEND");
    }

    private Path sdk(String... backends) throws IOException {
        Path made = folder.resolve("sdk-" + String.join("-", backends));
        for (String jar :
                List.of("api", "runtime", "annotation", "drivers-common", "cublas", "fuzz", "drivers-cuda-jni")) {
            file(made.resolve(TORNADO + "tornado-" + jar + "-5.2.0-jdk25.jar"), "");
        }
        for (String backend : backends) {
            file(made.resolve(TORNADO + "tornado-drivers-" + backend + "-5.2.0-jdk25.jar"), "");
            file(made.resolve("lib/libtornado-" + backend + ".so"), "");
        }
        return made;
    }

    private Run run(Map<String, String> environment, String... arguments) throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(List.of("bash", home.resolve("sage4j").toString()));
        command.addAll(List.of(arguments));
        Path out = folder.resolve("out");
        Path err = folder.resolve("err");
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
        builder.environment()
                .keySet()
                .removeIf(k -> k.startsWith("SAGE4J") || k.equals("TORNADOVM_HOME") || k.startsWith("POCL"));
        builder.environment().put("SAGE4J_JAVA_HOME", jdk.toString());
        builder.environment().put("PATH", bin + ":" + System.getenv("PATH"));
        builder.environment().putAll(environment);
        Process process = builder.start();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return new Run(
                process.exitValue(),
                Files.readAllLines(out, StandardCharsets.UTF_8),
                Files.readString(err, StandardCharsets.UTF_8));
    }

    private Run tornado(String backend) throws IOException, InterruptedException {
        return run(Map.of("TORNADOVM_HOME", sdk.toString()), "attend", "--backend", backend);
    }

    @Test
    void withoutTornadoNothingOfItIsPassed() throws Exception {
        Run run = run(Map.of("TORNADOVM_HOME", sdk.toString()), "variants").starts();
        assertThat(run.out()).endsWith("io.sage4j.cli.Main", "variants").noneMatch(a -> a.contains("tornado"));
    }

    @Test
    void optionsOfOneBackend() throws Exception {
        libraries("libOpenCL.so.1", "libcuda.so.1", "libnvrtc.so.13");
        Run run = tornado("tornado:opencl").starts();
        assertThat(run.out())
                .contains(
                        "-Dtornado.recover.bailout=False",
                        "-Dtornado.max.events=64",
                        "-Dtornado.vmflush=False",
                        "-Dtornado.eventpool.size=256",
                        "-Dsage4j.tornado.backend=opencl",
                        "-Djava.library.path=" + sdk + "/lib",
                        "@" + sdk + "/etc/exportLists/common-exports",
                        "@" + sdk + "/etc/exportLists/opencl-exports")
                .endsWith("io.sage4j.cli.Main", "attend", "--backend", "tornado:opencl");
        assertThat(run.after("--add-modules")).endsWith(",tornado.drivers.common,tornado.drivers.opencl");
        assertThat(run.after("--limit-modules")).contains("jdk.graal.compiler,").endsWith(run.after("--add-modules"));
        assertThat(run.out()).noneMatch(a -> a.startsWith("-Dsage4j.tornado.device"));
    }

    @Test
    void onlyTheDriverThatIsAskedForIsOnTheModulePath() throws Exception {
        libraries("libOpenCL.so.1", "libcuda.so.1", "libnvrtc.so.13");
        for (String kind : List.of("opencl", "ptx", "cuda")) {
            List<String> jars = List.of(
                    tornado("tornado:" + kind).starts().after("--module-path").split(":"));
            assertThat(jars.stream().map(j -> Path.of(j).getFileName().toString()))
                    .containsExactlyInAnyOrder(
                            "tornado-api-5.2.0-jdk25.jar",
                            "tornado-runtime-5.2.0-jdk25.jar",
                            "tornado-annotation-5.2.0-jdk25.jar",
                            "tornado-drivers-common-5.2.0-jdk25.jar",
                            "tornado-drivers-" + kind + "-5.2.0-jdk25.jar");
        }
    }

    @Test
    void theFastestThatCanRun() throws Exception {
        libraries("libOpenCL.so.1", "libcuda.so.1", "libnvrtc.so.13");
        assertThat(tornado("tornado").starts().out()).contains("-Dsage4j.tornado.backend=cuda");
        libraries("libOpenCL.so.1", "libcuda.so.1");
        assertThat(tornado("tornado").starts().out()).contains("-Dsage4j.tornado.backend=ptx");
        libraries("libOpenCL.so.1");
        assertThat(tornado("tornado").starts().out()).contains("-Dsage4j.tornado.backend=opencl");
    }

    @Test
    void device() throws Exception {
        libraries("libOpenCL.so.1");
        assertThat(tornado("tornado:opencl:1").starts().out())
                .contains("-Dsage4j.tornado.backend=opencl", "-Dsage4j.tornado.device=1");
        assertThat(run(Map.of("TORNADOVM_HOME", sdk.toString()), "attend", "--backend=tornado:opencl:0")
                        .starts()
                        .out())
                .contains("-Dsage4j.tornado.device=0");
    }

    @Test
    void whatIsMissing() throws Exception {
        tornado("tornado:opencl").refuses("backend tornado:opencl cannot run here: libOpenCL.so.1 is not installed");
        tornado("tornado:ptx").refuses("libcuda.so.1 (the NVIDIA driver) is not installed");
        tornado("tornado:cuda").refuses("libcuda.so.1 (the NVIDIA driver) is not installed");
        libraries("libcuda.so.1");
        tornado("tornado:cuda").refuses("libnvrtc.so.13 (NVRTC of CUDA 13) is not installed");
        tornado("tornado:metal").refuses("cannot run here: sage4j knows opencl, ptx and cuda");
        sdk = sdk("opencl");
        tornado("tornado:ptx").refuses("the SDK at " + sdk + " does not have it");
        tornado("tornado")
                .refuses("backend tornado cannot run here: cuda: the SDK at " + sdk
                        + " does not have it; ptx: the SDK at " + sdk
                        + " does not have it; opencl: libOpenCL.so.1 is not installed");
    }

    @Test
    void badNames() throws Exception {
        libraries("libOpenCL.so.1");
        tornado("tornado:opencl:x").refuses("device 'x' is no number");
        tornado("tornado:opencl:1:2").refuses("device '1:2' is no number");
        tornado("tornado:").refuses("backend tornado: is not complete");
        tornado("tornado:opencl:").refuses("backend tornado:opencl: is not complete");
    }

    @Test
    void noSdk() throws Exception {
        run(Map.of(), "attend", "--backend", "tornado").refuses("set TORNADOVM_HOME to it");
        run(Map.of("TORNADOVM_HOME", folder.toString()), "attend", "--backend", "tornado")
                .refuses("TORNADOVM_HOME is " + folder + ", which is no TornadoVM SDK");
    }

    @Test
    void devicesOfEachBackendAreAskedForInAJvmOfTheirOwn() throws Exception {
        script(
                jdk.resolve("bin/java"),
                """
                case "$*" in
                  *backend=opencl*TornadoDevices) printf 'device\\topencl\\t0\\tA CPU\\tCPU\\t1\\t2\\tgeneric\\n' ;;
                  *backend=ptx*TornadoDevices) echo 'WARNING: incubator' >&2; echo 'no GPU' >&2; echo '	at x' >&2; exit 1 ;;
                  *) printf '%s\\n' "$SAGE4J_TORNADO_DEVICES" ;;
                esac""");
        libraries("libOpenCL.so.1", "libcuda.so.1");
        Run run = run(Map.of("TORNADOVM_HOME", sdk.toString()), "devices").starts();
        assertThat(run.out())
                .containsExactly(
                        "none\tcuda\tlibnvrtc.so.13 (NVRTC of CUDA 13) is not installed",
                        "none\tptx\tit does not start: no GPU",
                        "device\topencl\t0\tA CPU\tCPU\t1\t2\tgeneric");
    }

    @Test
    void whyAJvmThatDoesNotFindItsModulesDoesNotStart() throws Exception {
        script(
                jdk.resolve("bin/java"),
                """
                case "$*" in
                  *TornadoDevices) echo 'Error occurred during initialization of boot layer'; echo 'Module x not found'; exit 1 ;;
                  *) printf '%s\\n' "$SAGE4J_TORNADO_DEVICES" ;;
                esac""");
        libraries("libOpenCL.so.1");
        assertThat(run(Map.of("TORNADOVM_HOME", sdk.toString()), "devices")
                        .starts()
                        .out())
                .contains("none\topencl\tit does not start: Module x not found");
    }

    @Test
    void aFolderThatNoClassPathCanName() throws Exception {
        Path moved = folder.resolve("a:b");
        Files.move(home, moved);
        home = moved;
        run(Map.of(), "variants").refuses("has a colon in its name");
    }

    @Test
    void theCLocaleKnowsNamesBeyondAscii() throws Exception {
        script(jdk.resolve("bin/java"), "echo \"LC_ALL=$LC_ALL\"");
        Map<String, String> none = Map.of("LC_ALL", "", "LC_CTYPE", "", "LANG", "");
        assertThat(run(none, "variants").starts().out()).containsExactly("LC_ALL=C.UTF-8");
        assertThat(run(Map.of("LC_ALL", "C"), "variants").starts().out()).containsExactly("LC_ALL=C.UTF-8");
        assertThat(run(Map.of("LC_ALL", "", "LC_CTYPE", "", "LANG", "en_US.UTF-8"), "variants")
                        .out())
                .containsExactly("LC_ALL=");
    }

    @Test
    void theArchiveIsMadeByARunOfItsOwn() throws Exception {
        Path archive = home.resolve("target/sage4j.jsa");
        script(
                jdk.resolve("bin/java"),
                """
                for a; do case "$a" in -XX:ArchiveClassesAtExit=*) echo archive >"${a#*=}"; exit 0 ;; esac; done
                printf '%s\\n' "$@\"""");
        assertThat(run(Map.of(), "variants").starts().out())
                .contains("-XX:SharedArchiveFile=" + archive)
                .noneMatch(a -> a.contains("AutoCreate"));
        assertThat(archive).hasContent("archive");

        file(archive, "kept");
        assertThat(run(Map.of(), "variants").starts().out()).contains("-XX:SharedArchiveFile=" + archive);
        assertThat(archive).hasContent("kept");

        FileTime later =
                FileTime.from(Files.getLastModifiedTime(archive).toInstant().plusSeconds(9));
        Files.setLastModifiedTime(home.resolve("target/sage4j-1.jar"), later);
        run(Map.of(), "variants").starts();
        assertThat(archive).hasContent("archive");
    }

    @Test
    void anArchiveThatCannotBeMadeIsDoneWithout() throws Exception {
        script(
                jdk.resolve("bin/java"),
                """
                for a; do case "$a" in -XX:ArchiveClassesAtExit=*) echo half >"${a#*=}"; exit 1 ;; esac; done
                printf '%s\\n' "$@\"""");
        for (int call = 0; call < 2; call++) {
            assertThat(run(Map.of(), "variants").starts().out())
                    .noneMatch(a -> a.contains("Archive"))
                    .endsWith("io.sage4j.cli.Main", "variants");
            assertThat(home.resolve("target/sage4j.jsa")).isEmptyFile();
        }
        try (Stream<Path> files = Files.list(home.resolve("target"))) {
            assertThat(files.map(f -> f.getFileName().toString()))
                    .containsExactlyInAnyOrder("lib", "sage4j-1.jar", ".built", "sage4j.jsa");
        }
    }

    @Test
    void aTargetThatCannotBeWrittenIsNotBuiltIn() throws Exception {
        Files.delete(home.resolve("target/.built"));
        Files.createDirectory(home.resolve("target/.build-lock"));
        script(bin.resolve("mvn"), "exit 1");
        run(Map.of(), "variants").refuses("and " + home.toRealPath().resolve("target") + " cannot be written");
    }
}
