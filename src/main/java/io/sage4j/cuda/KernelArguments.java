package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * The arguments of a kernel in the order of its parameters; may be launched with more than once. Not to be added to from
 * several threads.
 */
public final class KernelArguments {
    /** Writes an argument; what it points to is looked at when it is launched with. */
    private interface Argument {
        byte[] bytes(CudaContext context);
    }

    private final List<Argument> arguments = new ArrayList<>();
    private final List<Long> sizes = new ArrayList<>();

    /** A 32-bit integer, signed or not. */
    public KernelArguments int32(int value) {
        return add(buffer(Integer.BYTES).putInt(value));
    }

    /** A 64-bit integer, signed or not. */
    public KernelArguments int64(long value) {
        return add(buffer(Long.BYTES).putLong(value));
    }

    /** An FP32 number. */
    public KernelArguments float32(float value) {
        return add(buffer(Float.BYTES).putFloat(value));
    }

    /** The address of device memory, which must be open when it is launched with. */
    public KernelArguments pointer(DeviceMemory memory) {
        return pointer(memory, 0);
    }

    /**
     * An address inside device memory, which must be open when it is launched with.
     *
     * @param offset bytes from its start, up to its size
     */
    public KernelArguments pointer(DeviceMemory memory, long offset) {
        Handle.given(memory, "device memory");
        memory.range(memory.context(), offset, 0);
        return add(Long.BYTES, context -> buffer(Long.BYTES)
                .putLong(memory.range(context, offset, 0))
                .array());
    }

    /** A structure by value: the bytes are copied now. */
    public KernelArguments struct(MemorySegment value) {
        byte[] copy = Handle.given(value, "structure").toArray(JAVA_BYTE);
        return add(copy.length, context -> copy);
    }

    /** Bytes of each argument. */
    List<Long> sizes() {
        return sizes;
    }

    /** The array of pointers to the arguments that a launch takes. */
    MemorySegment pack(CudaContext context, Arena arena) {
        MemorySegment pointers = arena.allocate(ADDRESS, Math.max(1, arguments.size()));
        for (int i = 0; i < arguments.size(); i++) {
            byte[] bytes = arguments.get(i).bytes(context);
            MemorySegment value = arena.allocate(bytes.length, Long.BYTES);
            MemorySegment.copy(bytes, 0, value, JAVA_BYTE, 0, bytes.length);
            pointers.setAtIndex(ADDRESS, i, value);
        }
        return pointers;
    }

    private KernelArguments add(ByteBuffer value) {
        return add(value.capacity(), context -> value.array());
    }

    private KernelArguments add(long size, Argument argument) {
        arguments.add(argument);
        sizes.add(size);
        return this;
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.nativeOrder());
    }
}
