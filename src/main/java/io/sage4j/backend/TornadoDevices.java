package io.sage4j.backend;

import io.sage4j.SageException;
import io.sage4j.plan.DeviceSettings;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import uk.ac.manchester.tornado.api.TornadoBackend;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/**
 * TornadoVM's devices. The launcher asks for them in a JVM per backend, because a backend that does not start takes its JVM
 * down, and hands what was printed to {@code sage4j devices}.
 */
public final class TornadoDevices {
    /** Environment variable with what the launcher found. */
    public static final String VARIABLE = "SAGE4J_TORNADO_DEVICES";

    private static final String DEVICE = "device";
    private static final String NONE = "none";

    /**
     * A device.
     *
     * @param backend name to ask for it, {@code tornado:opencl:0} for example
     * @param name as the driver gives it
     * @param type CPU, GPU and so on
     * @param memoryBytes its memory
     * @param localBytes local memory of a work-group
     * @param profile profile of tornado-config that fits it
     */
    public record Device(String backend, String name, String type, long memoryBytes, long localBytes, String profile) {}

    /**
     * A backend without devices.
     *
     * @param backend {@code tornado:ptx} for example
     * @param reason what is missing
     */
    public record Missing(String backend, String reason) {}

    /**
     * All of them.
     *
     * @param devices what can run
     * @param missing backends that cannot
     */
    public record Found(List<Device> devices, List<Missing> missing) {}

    private TornadoDevices() {}

    /**
     * The device that this JVM was started for.
     *
     * @throws SageException if there is no such device
     */
    public static TornadoDevice asked() {
        return device(Backends.tornadoName(), Backends.tornadoDevice());
    }

    /** A device of the backend that this JVM was started with, which is called {@code name} in an error. */
    static TornadoDevice device(String name, int index) {
        int count = TornadoExecutionPlan.getTornadoDeviceMap()
                .getAllBackends()
                .get(0)
                .getNumDevices();
        if (index >= count) {
            throw new SageException("backend " + name + " has no device " + index + ", it has "
                    + (count == 1 ? "only device 0" : "devices 0 to " + (count - 1)));
        }
        return TornadoExecutionPlan.getDevice(0, index);
    }

    /** Prints a line for each device of the TornadoVM that this JVM was started with. */
    public static void main(String[] arguments) {
        try {
            here().forEach(System.out::println);
        } catch (Throwable e) {
            System.err.println(e.getMessage() == null ? e : e.getMessage());
            System.exit(1);
        }
        System.exit(0);
    }

    static List<String> here() {
        List<String> lines = new ArrayList<>();
        for (TornadoBackend backend : TornadoExecutionPlan.getTornadoDeviceMap().getAllBackends()) {
            String kind = DeviceSettings.backendName(backend.getBackendType());
            for (int i = 0; i < backend.getNumDevices(); i++) {
                TornadoDevice device = backend.getDevice(i);
                lines.add(String.join(
                        "\t",
                        DEVICE,
                        kind,
                        String.valueOf(i),
                        device.getPhysicalDevice().getDeviceName().replaceAll("\\s+", " "),
                        device.getDeviceType().toString(),
                        String.valueOf(device.getMaxGlobalMemory()),
                        String.valueOf(device.getDeviceLocalMemorySize()),
                        DeviceSettings.of(device).profile()));
            }
        }
        return lines;
    }

    /**
     * Reads what {@link #main} and the launcher printed.
     *
     * @throws SageException if a line is not one of theirs
     */
    public static Found parse(String text) {
        List<Device> devices = new ArrayList<>();
        List<Missing> missing = new ArrayList<>();
        for (String line : text.lines().toList()) {
            String[] f = line.split("\t", -1);
            try {
                if (f[0].equals(DEVICE) && f.length == 8) {
                    String name = String.join(":", Backends.TORNADO, f[1], f[2]);
                    devices.add(new Device(name, f[3], f[4], Long.parseLong(f[5]), Long.parseLong(f[6]), f[7]));
                    continue;
                }
                if (f[0].equals(NONE) && f.length >= 3) {
                    String reason = String.join(" ", Arrays.asList(f).subList(2, f.length));
                    missing.add(new Missing(Backends.TORNADO + ":" + f[1], reason));
                    continue;
                }
            } catch (NumberFormatException e) {
                throw new SageException(VARIABLE + ": '" + line + "' is no line of TornadoDevices", e);
            }
            throw new SageException(VARIABLE + ": '" + line + "' is no line of TornadoDevices");
        }
        return new Found(devices, missing);
    }
}
