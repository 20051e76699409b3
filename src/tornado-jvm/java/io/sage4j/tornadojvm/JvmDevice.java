package io.sage4j.tornadojvm;

import uk.ac.manchester.tornado.api.TornadoTargetDevice;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/** The cores and the memory of this Java virtual machine as a device. */
final class JvmDevice implements TornadoDevice, TornadoTargetDevice {
    /** Nothing limits local arrays but the heap; kernels should stay within what a GPU gives without asking. */
    private static final long LOCAL_MEMORY = 48 * 1024;

    @Override
    public String getDeviceName() {
        return TornadoJvm.NAME;
    }

    @Override
    public String getDescription() {
        return TornadoJvm.NAME + " on " + getPlatformName() + ", " + getDeviceMaxComputeUnits() + " cores";
    }

    @Override
    public String getPlatformName() {
        return System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version");
    }

    @Override
    public TornadoTargetDevice getPhysicalDevice() {
        return this;
    }

    @Override
    public TornadoDeviceType getDeviceType() {
        return TornadoDeviceType.CPU;
    }

    @Override
    public long getMaxAllocMemory() {
        return Integer.MAX_VALUE;
    }

    @Override
    public long getMaxGlobalMemory() {
        return Runtime.getRuntime().maxMemory();
    }

    @Override
    public long getDeviceLocalMemorySize() {
        return LOCAL_MEMORY;
    }

    @Override
    public long[] getDeviceMaxWorkgroupDimensions() {
        return new long[] {Grid.MAX_GROUP, Grid.MAX_GROUP, Grid.MAX_GROUP};
    }

    @Override
    public String getDeviceOpenCLCVersion() {
        return "none";
    }

    @Override
    public String getDeviceInfo() {
        return getDescription();
    }

    @Override
    public int getBackendIndex() {
        return 0;
    }

    @Override
    public TornadoVMBackendType getTornadoVMBackend() {
        return TornadoVMBackendType.JAVA;
    }

    @Override
    public boolean isSPIRVSupported() {
        return false;
    }

    @Override
    public long getDeviceGlobalMemorySize() {
        return getMaxGlobalMemory();
    }

    @Override
    public int getDeviceMaxComputeUnits() {
        return Runtime.getRuntime().availableProcessors();
    }

    @Override
    public long[] getDeviceMaxWorkItemSizes() {
        return getDeviceMaxWorkgroupDimensions();
    }

    @Override
    public long[] getDeviceMaxWorkGroupSize() {
        return new long[] {Grid.MAX_GROUP};
    }

    @Override
    public int getMaxThreadsPerBlock() {
        return Grid.MAX_GROUP;
    }

    @Override
    public int getDeviceMaxClockFrequency() {
        return 0;
    }

    @Override
    public long getDeviceMaxConstantBufferSize() {
        return getMaxAllocMemory();
    }

    @Override
    public long getDeviceMaxAllocationSize() {
        return getMaxAllocMemory();
    }

    @Override
    public String toString() {
        return getDescription();
    }
}
