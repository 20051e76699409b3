package uk.ac.manchester.tornado.api;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.runtime.TornadoRuntimeProvider;

/** Queries over all backends and devices. */
public class TornadoDeviceMap {
    private final TornadoRuntime runtime = TornadoRuntimeProvider.getTornadoRuntime();

    /** Looks at the runtime of this process. */
    public TornadoDeviceMap() {}

    /**
     * Number of backends.
     *
     * @return the number
     */
    public int getNumBackends() {
        return runtime.getNumBackends();
    }

    /**
     * All backends.
     *
     * @return a list
     */
    public List<TornadoBackend> getAllBackends() {
        List<TornadoBackend> all = new ArrayList<>();
        for (int i = 0; i < runtime.getNumBackends(); i++) {
            all.add(runtime.getBackend(i));
        }
        return all;
    }

    /**
     * Some backends.
     *
     * @param predicate which
     * @return a list
     */
    public List<TornadoBackend> getBackendsWithPredicate(Predicate<? super TornadoBackend> predicate) {
        return getAllBackends().stream().filter(predicate).toList();
    }

    /**
     * The backends with certain devices.
     *
     * @param predicate which devices
     * @return a list
     */
    public List<TornadoBackend> getBackendsWithDevicePredicate(Predicate<? super TornadoDevice> predicate) {
        return getBackendsWithPredicate(
                backend -> backend.getAllDevices().stream().anyMatch(predicate));
    }

    /**
     * Devices by name.
     *
     * @param deviceName part of the name, in any case
     * @return the devices
     */
    public Stream<TornadoDevice> getDevicesByName(String deviceName) {
        String part = deviceName.toLowerCase(java.util.Locale.ROOT);
        return devices().filter(device -> device.getDeviceName()
                .toLowerCase(java.util.Locale.ROOT)
                .contains(part));
    }

    /**
     * Devices by kind.
     *
     * @param deviceType the kind
     * @return the devices
     */
    public Stream<TornadoDevice> getDevicesByType(TornadoDeviceType deviceType) {
        return devices().filter(device -> device.getDeviceType() == deviceType);
    }

    private Stream<TornadoDevice> devices() {
        return getAllBackends().stream().flatMap(backend -> backend.getAllDevices().stream());
    }
}
