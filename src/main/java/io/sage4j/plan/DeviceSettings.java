package io.sage4j.plan;

import io.sage4j.SageException;
import io.sage4j.kernel.QuantizeQk;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/**
 * How plans run on a device: its profile and its backend's settings, from {@code tornado-config/}, and what the user says over
 * them. tornado-config/README.md has the keys.
 *
 * @param profile name of the profile that fits the device
 * @param source where the values come from
 * @param kernels sizes of work-groups and tiles
 * @param compilerFlags flags of the backend's compiler
 * @param cudaGraph whether a plan is captured as a CUDA graph at its first run, and replayed
 */
public record DeviceSettings(
        String profile, String source, KernelConfig kernels, String compilerFlags, boolean cudaGraph) {
    /** System property: a file that says what to do differently. */
    public static final String FILE_PROPERTY = "sage4j.profile";

    /** Start of the system properties that each set one key. */
    private static final String KEY_PROPERTIES = FILE_PROPERTY + ".";

    private static final String FLAGS = "compiler-flags";
    private static final String SHUFFLES = "shuffles";
    private static final String HALVES = "halves";
    private static final List<String> BACKEND = List.of(FLAGS, SHUFFLES, HALVES);
    private static final String ITEMS = "items";
    private static final String FLASH_ROWS = "flash-rows";
    private static final String QUANTIZE_ITEMS = "quantize-items";
    private static final String QUANTIZE_ELEMENTS = "quantize-elements";
    private static final String STAGE_BYTES = "stage-bytes";
    private static final String STEP_TIMES = "step-times";
    private static final String CUDA_GRAPH = "cuda-graph";
    private static final List<String> PROFILE =
            List.of(ITEMS, FLASH_ROWS, QUANTIZE_ITEMS, QUANTIZE_ELEMENTS, STAGE_BYTES, STEP_TIMES, CUDA_GRAPH);
    private static final String MATCH_BACKEND = "match.backend";
    private static final String MATCH_TYPE = "match.type";
    private static final String MATCH_NAME = "match.name";

    /**
     * Work-items that can have 255 registers each. Of a larger work-group TornadoVM's CUDA backend does not say that the driver refused it, and
     * its PTX backend makes it smaller.
     */
    private static final int MOST_WITH_REGISTERS = 256;

    /**
     * What decides about a profile.
     *
     * @param backend opencl, ptx, cuda or jvm
     * @param type CPU, GPU and so on
     * @param name as the driver gives it
     * @param mostItems work-items that a work-group may have
     * @param localBytes local memory that a work-group may have
     */
    record Traits(String backend, String type, String name, long mostItems, long localBytes) {
        static Traits of(TornadoDevice device) {
            return new Traits(
                    backendName(device.getTornadoVMBackend()),
                    device.getDeviceType().name(),
                    device.getPhysicalDevice().getDeviceName(),
                    device.getDeviceMaxWorkgroupDimensions()[0],
                    device.getDeviceLocalMemorySize());
        }
    }

    /** A backend as it is asked for after {@code tornado:}, {@code jvm} for tornado-jvm. */
    public static String backendName(TornadoVMBackendType type) {
        return type == TornadoVMBackendType.JAVA ? "jvm" : type.name().toLowerCase(Locale.ROOT);
    }

    /**
     * Settings for a device, with the system properties of this JVM.
     *
     * @throws SageException if what the user says cannot be read or cannot work
     */
    public static DeviceSettings of(TornadoDevice device) {
        return of(Traits.of(device), System.getProperties());
    }

    static DeviceSettings of(Traits device, Properties system) {
        for (String name : SettingsFile.lines("profiles/index")) {
            SettingsFile profile = SettingsFile.ofJar("profiles/" + name + ".properties");
            if (fits(profile, device)) {
                return of(name, profile, device, system);
            }
        }
        throw new SageException("no profile in tornado-config/profiles fits " + device);
    }

    static boolean fits(SettingsFile profile, Traits device) {
        Map<String, String> all = profile.values();
        try {
            return all.getOrDefault(MATCH_BACKEND, device.backend()).equals(device.backend())
                    && all.getOrDefault(MATCH_TYPE, device.type()).equals(device.type())
                    && Pattern.compile(all.getOrDefault(MATCH_NAME, ""))
                            .matcher(device.name())
                            .find();
        } catch (PatternSyntaxException e) {
            throw new SageException(profile.source() + ": " + MATCH_NAME + ": " + e.getDescription(), e);
        }
    }

    private static DeviceSettings of(String name, SettingsFile profile, Traits device, Properties system) {
        List<String> known = new ArrayList<>(PROFILE);
        known.addAll(BACKEND);
        SettingsFile user = user(system);
        user.requireOnly(known);
        known.addAll(List.of(MATCH_BACKEND, MATCH_TYPE, MATCH_NAME));
        profile.requireOnly(known);
        SettingsFile backend = SettingsFile.ofJar(device.backend() + ".properties");
        backend.requireOnly(BACKEND);
        SettingsFile all = user.over(profile.over(backend));
        KernelConfig kernels = kernels(all);
        boolean cuda = List.of("ptx", "cuda").contains(device.backend());
        for (String key : List.of(ITEMS, FLASH_ROWS, QUANTIZE_ITEMS)) {
            requireAtMost(all, key, device.mostItems(), "work-items in a work-group", device);
            if (cuda) {
                String what = "work-items whose registers a multiprocessor always has";
                requireAtMost(all, key, MOST_WITH_REGISTERS, what, device);
            }
        }
        requireAtMost(all, STAGE_BYTES, device.localBytes(), "bytes of local memory", device);
        boolean graph = all.flag(CUDA_GRAPH);
        if (graph && !cuda) {
            throw new SageException(
                    all.source() + ": cuda-graph is true, expected false on backend " + device.backend());
        }
        if (graph && kernels.stepTimes()) {
            throw new SageException(
                    all.source() + ": cuda-graph is true, which needs step-times=false: a replayed graph has no steps");
        }
        return new DeviceSettings(name, all.source(), kernels, all.text(FLAGS), graph);
    }

    private static SettingsFile user(Properties system) {
        Map<String, String> keys = new TreeMap<>();
        for (String property : system.stringPropertyNames()) {
            if (property.startsWith(KEY_PROPERTIES)) {
                keys.put(property.substring(KEY_PROPERTIES.length()), system.getProperty(property));
            }
        }
        SettingsFile single = new SettingsFile("-D" + KEY_PROPERTIES + "*", keys);
        String file = system.getProperty(FILE_PROPERTY);
        return file == null ? single : single.over(SettingsFile.of(Path.of(file)));
    }

    private static KernelConfig kernels(SettingsFile all) {
        int items = all.number(ITEMS);
        int flashRows = all.number(FLASH_ROWS);
        int quantizeItems = all.number(QUANTIZE_ITEMS);
        int quantizeElements = all.number(QUANTIZE_ELEMENTS);
        int stageBytes = all.number(STAGE_BYTES);
        if (stageBytes < KernelConfig.LEAST_STAGE) {
            throw new SageException(all.source() + ": " + STAGE_BYTES + " is " + stageBytes + ", expected at least "
                    + KernelConfig.LEAST_STAGE + ", 32 keys of 256 channels");
        }
        if (quantizeItems < QuantizeQk.WARP) {
            throw new SageException(all.source() + ": " + QUANTIZE_ITEMS + " is " + quantizeItems
                    + ", expected at least " + QuantizeQk.WARP + ", a warp");
        }
        return new KernelConfig(
                items,
                flashRows,
                quantizeItems,
                quantizeElements,
                stageBytes,
                all.flag(SHUFFLES),
                all.flag(HALVES),
                all.flag(STEP_TIMES));
    }

    private static void requireAtMost(SettingsFile all, String key, long most, String of, Traits device) {
        if (all.number(key) > most) {
            throw new SageException(all.source() + ": " + key + " is " + all.number(key) + ", more than the " + most
                    + " " + of + " of " + device.name());
        }
    }
}
