package io.sage4j.tornadojvm;

import java.util.List;
import uk.ac.manchester.tornado.api.TornadoBackend;
import uk.ac.manchester.tornado.api.TornadoRuntime;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;
import uk.ac.manchester.tornado.api.exceptions.TornadoBackendNotFound;
import uk.ac.manchester.tornado.api.exceptions.TornadoDeviceNotFound;

/** The runtime and its only backend: this Java virtual machine. */
public final class JvmRuntime implements TornadoRuntime, TornadoBackend {
    /** The runtime of this process. */
    public static final JvmRuntime INSTANCE = new JvmRuntime();

    private final TornadoDevice device = new JvmDevice();

    private JvmRuntime() {}

    @Override
    public TornadoBackend getBackend(int index) {
        if (index != 0) {
            throw new TornadoBackendNotFound("backend " + index + ": tornado-jvm has only backend 0");
        }
        return this;
    }

    @Override
    public TornadoVMBackendType getBackendType(int index) {
        return getBackend(index).getBackendType();
    }

    @Override
    public int getNumBackends() {
        return 1;
    }

    @Override
    public TornadoDevice getDefaultDevice() {
        return device;
    }

    @Override
    public void setDefaultDevice(int index) {
        getDevice(index);
    }

    @Override
    public int getNumDevices() {
        return 1;
    }

    @Override
    public TornadoDevice getDevice(int index) {
        if (index != 0) {
            throw new TornadoDeviceNotFound("device " + index + ": tornado-jvm has only device 0");
        }
        return device;
    }

    @Override
    public List<TornadoDevice> getAllDevices() {
        return List.of(device);
    }

    @Override
    public TornadoDeviceType getTypeDefaultDevice() {
        return device.getDeviceType();
    }

    @Override
    public String getName() {
        return TornadoJvm.NAME;
    }

    @Override
    public int getNumPlatforms() {
        return 1;
    }

    @Override
    public TornadoVMBackendType getBackendType() {
        return TornadoVMBackendType.JAVA;
    }
}
