package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;

/**
 * The driver's functions that sage4j calls: exported names and argument types, as cuda.h declares them. Opaque handles
 * and device pointers are longs, host pointers addresses; all return a CUresult.
 */
enum DriverFunction {
    INIT("cuInit", JAVA_INT),
    DRIVER_GET_VERSION("cuDriverGetVersion", ADDRESS),
    GET_ERROR_NAME("cuGetErrorName", JAVA_INT, ADDRESS),
    GET_ERROR_STRING("cuGetErrorString", JAVA_INT, ADDRESS),
    DEVICE_GET_COUNT("cuDeviceGetCount", ADDRESS),
    DEVICE_GET("cuDeviceGet", ADDRESS, JAVA_INT),
    DEVICE_GET_NAME("cuDeviceGetName", ADDRESS, JAVA_INT, JAVA_INT),
    DEVICE_GET_ATTRIBUTE("cuDeviceGetAttribute", ADDRESS, JAVA_INT, JAVA_INT),
    DEVICE_TOTAL_MEM("cuDeviceTotalMem_v2", ADDRESS, JAVA_INT),
    PRIMARY_CONTEXT_RETAIN("cuDevicePrimaryCtxRetain", ADDRESS, JAVA_INT),
    PRIMARY_CONTEXT_RELEASE("cuDevicePrimaryCtxRelease_v2", JAVA_INT),
    CONTEXT_PUSH("cuCtxPushCurrent_v2", JAVA_LONG),
    CONTEXT_POP("cuCtxPopCurrent_v2", ADDRESS),
    CONTEXT_SYNCHRONIZE("cuCtxSynchronize"),
    STREAM_CREATE("cuStreamCreate", ADDRESS, JAVA_INT),
    STREAM_DESTROY("cuStreamDestroy_v2", JAVA_LONG),
    STREAM_SYNCHRONIZE("cuStreamSynchronize", JAVA_LONG),
    STREAM_WAIT_EVENT("cuStreamWaitEvent", JAVA_LONG, JAVA_LONG, JAVA_INT),
    STREAM_IS_CAPTURING("cuStreamIsCapturing", JAVA_LONG, ADDRESS),
    STREAM_BEGIN_CAPTURE("cuStreamBeginCapture_v2", JAVA_LONG, JAVA_INT),
    STREAM_END_CAPTURE("cuStreamEndCapture", JAVA_LONG, ADDRESS),
    EVENT_CREATE("cuEventCreate", ADDRESS, JAVA_INT),
    EVENT_DESTROY("cuEventDestroy_v2", JAVA_LONG),
    EVENT_RECORD("cuEventRecord", JAVA_LONG, JAVA_LONG),
    EVENT_QUERY("cuEventQuery", JAVA_LONG),
    EVENT_SYNCHRONIZE("cuEventSynchronize", JAVA_LONG),
    EVENT_ELAPSED_TIME("cuEventElapsedTime", ADDRESS, JAVA_LONG, JAVA_LONG),
    MEM_GET_INFO("cuMemGetInfo_v2", ADDRESS, ADDRESS),
    MEM_ALLOC("cuMemAlloc_v2", ADDRESS, JAVA_LONG),
    MEM_FREE("cuMemFree_v2", JAVA_LONG),
    MEM_ALLOC_FROM_POOL("cuMemAllocFromPoolAsync", ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG),
    MEM_FREE_ASYNC("cuMemFreeAsync", JAVA_LONG, JAVA_LONG),
    MEM_POOL_CREATE("cuMemPoolCreate", ADDRESS, ADDRESS),
    MEM_POOL_SET_ATTRIBUTE("cuMemPoolSetAttribute", JAVA_LONG, JAVA_INT, ADDRESS),
    MEM_POOL_DESTROY("cuMemPoolDestroy", JAVA_LONG),
    MEM_HOST_ALLOC("cuMemHostAlloc", ADDRESS, JAVA_LONG, JAVA_INT),
    MEM_FREE_HOST("cuMemFreeHost", ADDRESS),
    MEM_HOST_REGISTER("cuMemHostRegister_v2", ADDRESS, JAVA_LONG, JAVA_INT),
    MEM_HOST_UNREGISTER("cuMemHostUnregister", ADDRESS),
    COPY_TO_DEVICE("cuMemcpyHtoDAsync_v2", JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG),
    COPY_TO_HOST("cuMemcpyDtoHAsync_v2", ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG),
    COPY_ON_DEVICE("cuMemcpyDtoDAsync_v2", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
    MEMSET("cuMemsetD8Async", JAVA_LONG, JAVA_BYTE, JAVA_LONG, JAVA_LONG),
    MEMSET_WORDS("cuMemsetD32Async", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG),
    POINTER_GET_ATTRIBUTES("cuPointerGetAttributes", JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG),
    MODULE_LOAD("cuModuleLoadDataEx", ADDRESS, ADDRESS, JAVA_INT, ADDRESS, ADDRESS),
    MODULE_UNLOAD("cuModuleUnload", JAVA_LONG),
    MODULE_GET_FUNCTION("cuModuleGetFunction", ADDRESS, JAVA_LONG, ADDRESS),
    FUNCTION_GET_ATTRIBUTE("cuFuncGetAttribute", ADDRESS, JAVA_INT, JAVA_LONG),
    FUNCTION_SET_ATTRIBUTE("cuFuncSetAttribute", JAVA_LONG, JAVA_INT, JAVA_INT),
    /** From CUDA 12.4 on; the only one that may be missing. */
    FUNCTION_GET_PARAM_INFO("cuFuncGetParamInfo", JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS),
    LAUNCH("cuLaunchKernelEx", ADDRESS, JAVA_LONG, ADDRESS, ADDRESS),
    GRAPH_INSTANTIATE("cuGraphInstantiateWithFlags", ADDRESS, JAVA_LONG, JAVA_LONG),
    GRAPH_LAUNCH("cuGraphLaunch", JAVA_LONG, JAVA_LONG),
    GRAPH_EXEC_DESTROY("cuGraphExecDestroy", JAVA_LONG),
    GRAPH_DESTROY("cuGraphDestroy", JAVA_LONG);

    private final String symbol;
    private final FunctionDescriptor type;

    DriverFunction(String symbol, MemoryLayout... arguments) {
        this.symbol = symbol;
        this.type = FunctionDescriptor.of(JAVA_INT, arguments);
    }

    /** Exported name, with the version that cuda.h's macros choose. */
    String symbol() {
        return symbol;
    }

    FunctionDescriptor type() {
        return type;
    }

    boolean optional() {
        return this == FUNCTION_GET_PARAM_INFO;
    }
}
