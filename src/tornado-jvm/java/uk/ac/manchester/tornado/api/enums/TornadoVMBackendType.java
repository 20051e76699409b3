package uk.ac.manchester.tornado.api.enums;

/** Who compiles and runs the kernels. */
public enum TornadoVMBackendType {
    /** OpenCL. */
    OPENCL,
    /** Apple Metal. */
    METAL,
    /** NVIDIA PTX. */
    PTX,
    /** CUDA C. */
    CUDA,
    /** SPIR-V. */
    SPIRV,
    /** The Java virtual machine: the only one here. */
    JAVA,
    /** A described device that is not there. */
    VIRTUAL
}
