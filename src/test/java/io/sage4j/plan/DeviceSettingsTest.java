package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.SageException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/** Which profile a device gets, what the user may change, and what is refused. */
class DeviceSettingsTest {
    private static final Path CONFIG = Path.of("tornado-config");
    private static final DeviceSettings.Traits POCL =
            new DeviceSettings.Traits("opencl", "CPU", "pthread-skylake", 4096, 512 * 1024);
    private static final DeviceSettings.Traits SMALL_GPU =
            new DeviceSettings.Traits("opencl", "GPU", "Some GPU", 256, 48 * 1024);

    @TempDir
    Path folder;

    private static Properties properties(String... keysAndValues) {
        Properties properties = new Properties();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            properties.setProperty(keysAndValues[i], keysAndValues[i + 1]);
        }
        return properties;
    }

    private static DeviceSettings of(DeviceSettings.Traits device, String... keysAndValues) {
        return DeviceSettings.of(device, properties(keysAndValues));
    }

    private String file(String text) throws IOException {
        return Files.writeString(folder.resolve("my.properties"), text).toString();
    }

    private static void refuses(String why, String... keysAndValues) {
        assertThatThrownBy(() -> of(SMALL_GPU, keysAndValues))
                .isInstanceOf(SageException.class)
                .hasMessageContaining(why);
    }

    @ParameterizedTest
    @CsvSource({
        "opencl, CPU, pthread-skylake-avx512-AMD EPYC, pocl-cpu",
        "opencl, GPU, NVIDIA H100 80GB HBM3, hopper",
        "cuda, GPU, NVIDIA H200, hopper",
        "ptx, GPU, NVIDIA GH200 480GB, hopper",
        "ptx, GPU, NVIDIA GeForce RTX 4090, generic",
        "cuda, GPU, NVIDIA A100-SXM4-80GB, generic",
        "opencl, ACCELERATOR, H100, generic",
        "jvm, CPU, anything, generic"
    })
    void profileOfADevice(String backend, String type, String name, String profile) {
        DeviceSettings found = of(new DeviceSettings.Traits(backend, type, name, 1024, 48 * 1024));
        assertThat(found.profile()).isEqualTo(profile);
        assertThat(found.compilerFlags()).isEqualTo(backend.equals("opencl") ? "-w" : "");
        assertThat(found.kernels().shuffles()).isEqualTo(!backend.equals("opencl"));
        assertThat(found.kernels().halves()).isEqualTo(List.of("cuda", "jvm").contains(backend));
    }

    @Test
    void thisDeviceHasOne() {
        TornadoDevice device = TornadoExecutionPlan.getDevice(0, 0);
        String expected = "generic";
        if (PlanChecks.isRealTornadoVm()) {
            boolean hopper = device.getPhysicalDevice().getDeviceName().matches(".*G?H[12]00.*");
            expected =
                    PlanChecks.askedBackend().equals("OPENCL") && !hopper ? "pocl-cpu" : hopper ? "hopper" : "generic";
        }
        assertThat(DeviceSettings.of(device).profile()).isEqualTo(expected);
    }

    @Test
    void everyFileOfTheFolderIsReadAndGood() throws IOException {
        List<String> index = Files.readAllLines(CONFIG.resolve("profiles/index"));
        try (Stream<Path> files = Files.list(CONFIG.resolve("profiles"))) {
            assertThat(files.map(f -> f.getFileName().toString()).filter(f -> f.endsWith(".properties")))
                    .containsExactlyInAnyOrderElementsOf(
                            index.stream().map(n -> n + ".properties").toList());
        }
        assertThat(index).last().isEqualTo("generic");
        for (String name : index) {
            SettingsFile profile = SettingsFile.ofJar("profiles/" + name + ".properties");
            assertThat(profile.values())
                    .containsKeys("items", "flash-rows", "quantize-items", "quantize-elements", "stage-bytes");
        }
    }

    @Test
    void genericIsTheDefault() {
        assertThat(of(SMALL_GPU).kernels()).isEqualTo(KernelConfig.DEFAULT);
    }

    @Test
    void oneKey() {
        KernelConfig kernels = of(POCL, "sage4j.profile.flash-rows", "16").kernels();
        assertThat(kernels.flashRows()).isEqualTo(16);
        assertThat(kernels.items()).isEqualTo(of(POCL).kernels().items());
    }

    @Test
    void aFileAndAKeyOverIt() throws IOException {
        String file = file("items=32\nflash-rows=48\nstep-times=false\ncompiler-flags=-cl-mad-enable\n");
        DeviceSettings found = of(POCL, "sage4j.profile", file, "sage4j.profile.items", "128");
        assertThat(found.kernels().items()).isEqualTo(128);
        assertThat(found.kernels().flashRows()).isEqualTo(48);
        assertThat(found.kernels().stepTimes()).isFalse();
        assertThat(found.compilerFlags()).isEqualTo("-cl-mad-enable");
    }

    @Test
    void unknownKey() throws IOException {
        refuses("-Dsage4j.profile.*: unknown key 'flash-row', expected one of items", "sage4j.profile.flash-row", "16");
        refuses("my.properties: unknown key 'match.type'", "sage4j.profile", file("match.type=GPU\n"));
    }

    @ParameterizedTest
    @CsvSource({
        "items, many, items is 'many'",
        "items, 0, items is '0'",
        "items, -4, items is '-4'",
        "quantize-elements, 99999999999, quantize-elements is '99999999999'",
        "flash-rows, 1.5, flash-rows is '1.5'",
        "step-times, yes, 'step-times is ''yes'', expected true or false'",
        "stage-bytes, 100, 'stage-bytes is 100, expected at least 32768'",
        "stage-bytes, 65536, more than the 49152 bytes of local memory of Some GPU",
        "items, 512, more than the 256 work-items in a work-group of Some GPU",
        "quantize-items, 31, 'quantize-items is 31, expected at least 32, a warp'",
        "quantize-items, 512, more than the 256 work-items in a work-group of Some GPU",
        "flash-rows, 257, more than the 256 work-items in a work-group of Some GPU"
    })
    void badValue(String key, String value, String why) throws IOException {
        refuses(why, "sage4j.profile." + key, value);
        refuses(why, "sage4j.profile", file(key + "=" + value + "\n"));
    }

    /** A larger work-group may lack registers, which TornadoVM's backends do not tell. */
    @ParameterizedTest
    @CsvSource({"cuda", "ptx"})
    void onAGpuWorkGroupsAreNoLargerThanTheRegistersOfAMultiprocessorAllow(String backend) {
        DeviceSettings.Traits gpu = new DeviceSettings.Traits(backend, "GPU", "Some GPU", 1024, 48 * 1024);
        for (String key : List.of("items", "flash-rows", "quantize-items")) {
            assertThatThrownBy(() -> of(gpu, "sage4j.profile." + key, "257"))
                    .isInstanceOf(SageException.class)
                    .hasMessageContaining(key + " is 257, more than the 256 work-items whose registers");
            assertThat(of(gpu, "sage4j.profile." + key, "256").profile()).isEqualTo("generic");
        }
    }

    @Test
    void cudaGraph() {
        DeviceSettings.Traits gpu = new DeviceSettings.Traits("cuda", "GPU", "Some GPU", 1024, 48 * 1024);
        assertThat(of(gpu).cudaGraph()).isFalse();
        assertThat(of(gpu, "sage4j.profile.cuda-graph", "true", "sage4j.profile.step-times", "false")
                        .cudaGraph())
                .isTrue();
        assertThatThrownBy(() -> of(gpu, "sage4j.profile.cuda-graph", "true"))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("needs step-times=false");
        refuses("expected false on backend opencl", "sage4j.profile.cuda-graph", "true");
    }

    @Test
    void noFile() {
        refuses(
                "cannot read the device profile " + folder.resolve("none"),
                "sage4j.profile",
                folder.resolve("none").toString());
    }

    @Test
    void noText() throws IOException {
        refuses("my.properties: Malformed", "sage4j.profile", file("items=\\u12\n"));
        Path binary = Files.write(folder.resolve("my.properties"), new byte[] {(byte) 0xff, (byte) 0xfe, 0});
        refuses("cannot read the device profile", "sage4j.profile", binary.toString());
    }

    @Test
    void badPatternOfAProfile() {
        SettingsFile profile = new SettingsFile("p", java.util.Map.of("match.name", "H(100"));
        assertThatThrownBy(() -> DeviceSettings.fits(profile, POCL))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("p: match.name: Unclosed group");
    }

    @Test
    void sizesDoNotChangeTheResult() {
        PlanCase c = new PlanCase(
                io.sage4j.Variant.FLASH,
                new io.sage4j.numeric.AttentionShape(1, 2, 1, 70, 90, 40),
                io.sage4j.DType.FLOAT32,
                PlanCase.Strides.HND,
                PlanCase.Causal.TOP_LEFT,
                PlanCase.Mask.NONE,
                io.sage4j.oracle.HardData.NORMAL,
                5);
        float[][] outputs = new float[2][];
        for (int i = 0; i < 2; i++) {
            DeviceSettings settings =
                    i == 0 ? of(POCL) : of(POCL, "sage4j.profile.flash-rows", "32", "sage4j.profile.items", "16");
            try (AttentionPlan plan =
                    AttentionPlan.of(c.problem(), ArrayBindings.NONE, TornadoExecutionPlan.getDevice(0, 0), settings)) {
                c.fill(plan);
                plan.run();
                outputs[i] = c.output(plan);
            }
        }
        assertThat(outputs[1]).isEqualTo(outputs[0]);
    }
}
