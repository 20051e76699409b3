package io.sage4j.backend;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.backend.CudaKernels.Loaded;
import io.sage4j.backend.CudaKernels.Wanted;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaEvent;
import io.sage4j.cuda.CudaGraph;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceInfo;
import io.sage4j.cuda.LaunchShape;
import io.sage4j.cuda.LaunchShape.Extent;
import io.sage4j.cuda.PreparedLaunch;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Scheme;
import io.sage4j.plan.NativeAttention;
import io.sage4j.plan.NativeAttention.Placed;
import io.sage4j.plan.NativeDevice;
import io.sage4j.plan.Refusal;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.function.ToLongFunction;

/**
 * The launches of one kind of call, laid out once and started many times, with other addresses if wanted. A call is laid
 * out with addresses of no memory: their top byte names the buffer, the rest is the offset in it. Thread-safe.
 */
final class CudaPlan {
    /** What an address can point into. */
    enum Buffer {
        Q,
        K,
        V,
        OUT,
        LSE,
        SCRATCH
    }

    /** Real addresses are multiples of this plus the offset that the call was laid out with: alignment decides the kernels. */
    static final int ALIGNMENT = 256;

    private static final int TAG_SHIFT = 56;
    private static final long FIRST_TAG = 0x51;

    /** An address that does not exist, for a buffer whose real address is known later. */
    static long address(Buffer buffer, long offset) {
        return (FIRST_TAG + buffer.ordinal() << TAG_SHIFT) + offset;
    }

    /** Where the tensors of a call are; scratch is memory of {@link #scratchBytes}. */
    record Addresses(long q, long k, long v, long out, long lse, long scratch) {
        private long of(Buffer buffer) {
            return switch (buffer) {
                case Q -> q;
                case K -> k;
                case V -> v;
                case OUT -> out;
                case LSE -> lse;
                case SCRATCH -> scratch;
            };
        }
    }

    /** A 64-bit argument that is an address. */
    private record Fixup(PreparedLaunch launch, int argument, Buffer buffer, long offset) {}

    private final List<String> steps = new ArrayList<>();
    private final List<PreparedLaunch> launches = new ArrayList<>();
    private final List<Fixup> fixups = new ArrayList<>();
    private final StepOrder order;
    private final long scratchBytes;
    /** Where in the scratch memory the heavy-tailed channels of V are counted; -1 for nowhere. */
    private final long heavyOffset;
    /** What of the scratch memory must be 0 before the first run where all runs have the same. */
    private final List<Kept> kept;

    private Addresses current;

    /**
     * Lays a call out; compiles what kernels it needs.
     *
     * @param call with addresses of {@link #address}
     * @param keeps whether all runs have the same scratch memory, one after the other
     * @throws io.sage4j.SageException if there is no native kernel for it, or one cannot be compiled
     */
    CudaPlan(CudaKernels kernels, Arch arch, DeviceInfo info, NativeAttention.Call call, boolean keeps) {
        this(kernels, arch, info, device -> NativeAttention.run(device, call), keeps);
    }

    /**
     * Lays something else out.
     *
     * @param layOut starts all steps, with addresses of {@link #address}, and gives the address of the count of heavy-tailed channels of V, 0
     *     if V is not watched
     */
    CudaPlan(CudaKernels kernels, Arch arch, DeviceInfo info, ToLongFunction<NativeDevice> layOut, boolean keeps) {
        Recording recording = new Recording(arch, info, keeps);
        long heavy = layOut.applyAsLong(recording);
        heavyOffset = heavy == 0 ? -1 : heavy - address(Buffer.SCRATCH, 0);
        scratchBytes = Math.max(1, recording.scratch);
        if (heavyOffset >= 0) {
            // It tells of no run before the first.
            recording.kept.add(new Kept(heavyOffset, Integer.BYTES));
        }
        kept = List.copyOf(recording.kept);
        List<Loaded> loaded =
                kernels.get(recording.launches.stream().map(Recorded::kernel).toList());
        order = new StepOrder(
                recording.launches.stream().map(CudaPlan::scratchOf).toList());
        for (int n = 0; n < loaded.size(); n++) {
            Recorded recorded = recording.launches.get(n);
            Loaded kernel = loaded.get(n);
            LaunchShape shape =
                    LaunchShape.of(recorded.grid(), Extent.of(kernel.threads())).withSharedBytes(kernel.sharedBytes());
            PreparedLaunch launch = new PreparedLaunch(
                    kernel.function(), recorded.overlapping() ? shape.withOverlap() : shape, recorded.arguments());
            launches.add(launch);
            steps.add(recorded.step());
            for (int a = 0; a < recorded.arguments().size(); a++) {
                if (recorded.arguments().get(a) instanceof Long value && isAddress(value)) {
                    Buffer buffer = Buffer.values()[(int) ((value >>> TAG_SHIFT) - FIRST_TAG)];
                    fixups.add(new Fixup(launch, a, buffer, value - address(buffer, 0)));
                }
            }
        }
    }

    /** Why there is no native kernel for a call; empty if there is one. Quick. */
    static Optional<Refusal> refusal(Arch arch, DeviceInfo info, NativeAttention.Call call) {
        return NativeAttention.refusal(new Recording(arch, info, false), call);
    }

    /** Lays a small call out and throws it away; see {@link Rehearsal}. */
    static void rehearse(Arch arch, DeviceInfo info) {
        Scheme scheme =
                Variant.of(arch == Arch.SM_90A ? "int8-fp8-sm90" : "int8-fp16").scheme();
        Placed any = new Placed(address(Buffer.Q, 0), 64, 64, 64);
        Recording recording = new Recording(arch, info, false);
        NativeAttention.Call call = new NativeAttention.Call(
                new AttentionShape(1, 1, 1, 1, 1, 64), scheme, 0, 1, DType.FLOAT16, any, any, any, any, 0);
        NativeAttention.run(recording, call);
        CodeVersion.here();
        recording.launches.forEach(l -> l.kernel().key().toString());
    }

    private static Set<Long> scratchOf(Recorded launch) {
        Set<Long> addresses = new HashSet<>();
        for (Object argument : launch.arguments()) {
            if (argument instanceof Long value && value >>> TAG_SHIFT == FIRST_TAG + Buffer.SCRATCH.ordinal()) {
                addresses.add(value);
            }
        }
        return addresses;
    }

    private static boolean isAddress(long value) {
        long tag = value >>> TAG_SHIFT;
        return tag >= FIRST_TAG && tag < FIRST_TAG + Buffer.values().length;
    }

    /** A part of the scratch memory: where, and how many bytes. */
    record Kept(long offset, long bytes) {}

    /** A launch as the call asked for it. */
    private record Recorded(String step, Wanted kernel, Extent grid, boolean overlapping, List<Object> arguments) {}

    /** Notes launches and hands out offsets of scratch memory. */
    private static final class Recording implements NativeDevice {
        private final Arch arch;
        private final DeviceInfo info;
        private final boolean keeps;
        private final List<Recorded> launches = new ArrayList<>();
        private final List<Kept> kept = new ArrayList<>();
        private long scratch;

        Recording(Arch arch, DeviceInfo info, boolean keeps) {
            this.arch = arch;
            this.info = info;
            this.keeps = keeps;
        }

        @Override
        public Arch arch() {
            return arch;
        }

        @Override
        public int multiprocessors() {
            return info.multiprocessors();
        }

        @Override
        public long cacheBytes() {
            return info.l2Bytes();
        }

        @Override
        public long allocate(long bytes) {
            long offset = scratch;
            scratch = Math.addExact(offset, Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT);
            return address(Buffer.SCRATCH, offset);
        }

        @Override
        public long allocateKept(long bytes) {
            if (!keeps) {
                return 0;
            }
            kept.add(new Kept(scratch, bytes));
            return allocate(bytes);
        }

        @Override
        public void launch(
                String step,
                Object key,
                Supplier<Kernel> kernel,
                int gridX,
                int gridY,
                int gridZ,
                boolean overlapping,
                List<Object> arguments) {
            Extent grid = new Extent(gridX, gridY, gridZ);
            launches.add(new Recorded(step, new Wanted(key, kernel), grid, overlapping, List.copyOf(arguments)));
        }
    }

    /** Names of the steps, in order. */
    List<String> steps() {
        return steps;
    }

    /** Scratch memory that a run needs, to itself. */
    long scratchBytes() {
        return scratchBytes;
    }

    /** Where in the scratch memory a run leaves how many channels of V are heavy-tailed, a word; -1 if it does not look. */
    long heavyOffset() {
        return heavyOffset;
    }

    /** What of the scratch memory must be 0 before the first run where all runs have the same. */
    List<Kept> kept() {
        return kept;
    }

    /** Starts all steps, with nothing else allocated. */
    synchronized void start(CudaStream stream, Addresses addresses) {
        place(addresses);
        stream.launch(launches);
    }

    /** Starts all steps, and tells when each was started and when the last one was. */
    synchronized void start(CudaStream stream, Addresses addresses, Runnable mark) {
        place(addresses);
        mark.run();
        for (PreparedLaunch launch : launches) {
            stream.launch(launch);
            mark.run();
        }
    }

    /**
     * All steps as a graph, in which those that do not need each other's results run side by side: short ones fill the GPU
     * better so.
     */
    synchronized CudaGraph graph(CudaContext context, Addresses addresses) {
        place(addresses);
        List<Integer> lanes = order.lanes();
        List<CudaStream> streams = new ArrayList<>();
        List<CudaEvent> done = new ArrayList<>();
        try (CudaEvent begin = context.newEvent()) {
            for (int n = 0; n < launches.size(); n++) {
                done.add(context.newEvent());
                if (lanes.get(n) == streams.size()) {
                    streams.add(context.newStream());
                }
            }
            return streams.get(0).capture(() -> {
                begin.record(streams.get(0));
                streams.subList(1, streams.size()).forEach(side -> side.waitFor(begin));
                for (int n = 0; n < launches.size(); n++) {
                    CudaStream stream = streams.get(lanes.get(n));
                    for (int earlier : order.after(n)) {
                        if (!lanes.get(earlier).equals(lanes.get(n))) {
                            stream.waitFor(done.get(earlier));
                        }
                    }
                    stream.launch(launches.get(n));
                    done.get(n).record(stream);
                }
                for (int lane = 1; lane < streams.size(); lane++) {
                    streams.get(0).waitFor(done.get(lanes.lastIndexOf(lane)));
                }
            });
        } finally {
            done.forEach(CudaEvent::close);
            streams.forEach(CudaStream::close);
        }
    }

    private void place(Addresses addresses) {
        if (addresses.equals(current)) {
            return;
        }
        for (Fixup fixup : fixups) {
            fixup.launch.setLong(fixup.argument, addresses.of(fixup.buffer) / ALIGNMENT * ALIGNMENT + fixup.offset);
        }
        current = addresses;
    }

    /** Where in the scratch memory an address of it points to. */
    static long scratchOffset(long address) {
        return address - address(Buffer.SCRATCH, 0);
    }

    /** The part of an address that a call is laid out with. */
    static long residue(long address) {
        return address & ALIGNMENT - 1;
    }

    /** A tensor's place for laying out: strides as they are, an address that stands for any of this alignment. */
    static Placed placed(Buffer buffer, Placed real) {
        return new Placed(address(buffer, residue(real.address())), real.batch(), real.head(), real.token());
    }
}
