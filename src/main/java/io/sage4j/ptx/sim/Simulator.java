package io.sage4j.ptx.sim;

import io.sage4j.ptx.Barrier;
import io.sage4j.ptx.Branch;
import io.sage4j.ptx.Instruction;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.Label;
import io.sage4j.ptx.Line;
import io.sage4j.ptx.Mark;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Param;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Return;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Runs kernels on the JVM, CTA after CTA, deterministically.
 *
 * <p>Model: the lanes of a warp run in lock-step; where they stand at different lines, the ones furthest behind run
 * first, so that they meet again behind structured branches. A warp runs until a barrier or its end, then the next one
 * runs. {@code cp.async} delivers at the wait and not before. Approximate functions ({@code ex2}, {@code lg2}, {@code
 * rcp}) are rounded to nearest here and are off by up to 2 ulp on a GPU. For the sums of matrix instructions see {@code
 * MmaModel}.
 *
 * <p>Reported, each as a {@link SimulationException}: reads of a register, of a shared byte, or of an asynchronous
 * copy's target before it is written or delivered; addresses outside of what is mapped; misaligned vectors; warp-wide
 * instructions and barriers that only some lanes reach; barriers that only some warps reach; and, if asked for, races:
 * two warps that touch one shared byte between two barriers, at least one of them writing. Lanes of one warp are taken
 * as ordered, and global memory is not watched for races.
 */
public final class Simulator {
    private final GlobalMemory global;
    private final boolean races;

    /** A simulator that looks for races. */
    public Simulator(GlobalMemory global) {
        this(global, true);
    }

    /** A simulator that looks for races or not. */
    public Simulator(GlobalMemory global, boolean races) {
        this.global = global;
        this.races = races;
    }

    private record Decoded(Line line, Step step, int[] reads, int guard, int target) {}

    /**
     * Runs a kernel.
     *
     * @param kernel program
     * @param gridX CTAs in the first dimension
     * @param gridY CTAs in the second dimension
     * @param gridZ CTAs in the third dimension
     * @param arguments one Integer, Long or Float a parameter, in order
     * @return what it did
     * @throws SimulationException if it does what it must not
     */
    public Statistics run(Kernel kernel, int gridX, int gridY, int gridZ, Object... arguments) {
        Statistics statistics = new Statistics(kernel);
        Decoder decoder = new Decoder(kernel, global, bind(kernel, arguments), statistics);
        List<Decoded> program = decode(kernel, decoder);
        int[] grid = {gridX, gridY, gridZ};
        for (int z = 0; z < gridZ; z++) {
            for (int y = 0; y < gridY; y++) {
                for (int x = 0; x < gridX; x++) {
                    SharedMemory shared = new SharedMemory(kernel.sharedBytes(), races);
                    List<Warp> warps = new ArrayList<>();
                    for (int w = 0; w < kernel.maxThreads() / Warp.LANES; w++) {
                        warps.add(new Warp(w, decoder.registerCount(), shared, new int[] {x, y, z}, grid));
                    }
                    runCta(kernel, program, statistics, warps, shared);
                }
            }
        }
        return statistics;
    }

    private static Map<Param, Long> bind(Kernel kernel, Object... arguments) {
        List<Param> params = kernel.params();
        if (params.size() != arguments.length) {
            throw new IllegalArgumentException(
                    kernel.name() + ": " + arguments.length + " arguments, expected " + params.size());
        }
        Map<Param, Long> bound = new HashMap<>();
        for (int n = 0; n < arguments.length; n++) {
            bound.put(params.get(n), bits(params.get(n), arguments[n]));
        }
        return bound;
    }

    private static long bits(Param param, Object argument) {
        Type type = param.of();
        if (type == Type.F32 && argument instanceof Float f) {
            return Float.floatToRawIntBits(f) & 0xFFFFFFFFL;
        } else if ((type == Type.U32 || type == Type.S32) && argument instanceof Integer i) {
            return i & 0xFFFFFFFFL;
        } else if ((type == Type.U64 || type == Type.S64) && argument instanceof Long l) {
            return l;
        }
        throw new IllegalArgumentException("parameter " + param.name() + " is " + type + ", its argument "
                + argument.getClass().getSimpleName());
    }

    private static List<Decoded> decode(Kernel kernel, Decoder decoder) {
        Map<Label, Integer> labels = kernel.labels();
        List<Decoded> program = new ArrayList<>();
        for (Line line : kernel.lines()) {
            Instruction i = line.instruction();
            List<Reg> reads = new ArrayList<>();
            for (Operand operand : i.reads()) {
                if (operand instanceof Reg reg) {
                    reads.add(reg);
                }
            }
            program.add(new Decoded(
                    line,
                    decoder.decode(i),
                    reads.stream().mapToInt(decoder::register).toArray(),
                    line.guard() == null ? -1 : decoder.register(line.guard()),
                    i instanceof Branch b ? labels.get(b.target()) : -1));
        }
        return program;
    }

    private static void runCta(
            Kernel kernel, List<Decoded> program, Statistics statistics, List<Warp> warps, SharedMemory shared) {
        while (true) {
            int waiting = 0;
            int running = 0;
            for (Warp warp : warps) {
                try {
                    runWarp(program, statistics, warp);
                } catch (Fault fault) {
                    throw new SimulationException(where(kernel, warp) + fault.getMessage());
                }
                waiting += warp.waiting ? 1 : 0;
                running += warp.isDone() ? 0 : 1;
            }
            if (running == 0) {
                return;
            }
            if (waiting < warps.size()) {
                Warp stuck = warps.stream().filter(w -> w.waiting).findFirst().orElseThrow();
                throw new SimulationException(
                        where(kernel, stuck) + "waits for " + (warps.size() - waiting) + " warps that have ended");
            }
            warps.forEach(w -> w.waiting = false);
            shared.barrier();
        }
    }

    private static String where(Kernel kernel, Warp warp) {
        return String.format(
                "%s, line %d '%s', CTA (%d, %d, %d), warp %d, %s: ",
                kernel.name(),
                warp.line,
                kernel.lines().get(warp.line),
                warp.cta[0],
                warp.cta[1],
                warp.cta[2],
                warp.id,
                warp.lane < 0 ? "all lanes" : "lane " + warp.lane);
    }

    private static void runWarp(List<Decoded> program, Statistics statistics, Warp warp) {
        while (!warp.isDone() && !warp.waiting) {
            int at = warp.nextLine();
            int here = warp.lanesAt(at);
            if (at >= program.size()) {
                warp.end(here);
                continue;
            }
            warp.line = at;
            Decoded decoded = program.get(at);
            statistics.execute(at);
            int mask = here & guardMask(decoded, warp, here);
            requireWritten(decoded, warp, mask);
            Instruction i = decoded.line().instruction();
            if (i instanceof Branch branch) {
                if (branch.uniform() && mask != 0 && mask != here) {
                    throw new Fault("a uniform branch diverges");
                }
                jump(warp, here & ~mask, at + 1, mask, decoded.target());
            } else if (i instanceof Return) {
                warp.jump(here, at + 1);
                warp.end(mask);
            } else if (i instanceof Barrier) {
                if (mask != warp.alive()) {
                    throw new Fault(String.format("only the lanes of 0x%08x reach the barrier", mask));
                }
                warp.waiting = true;
                warp.jump(here, at + 1);
            } else {
                if (mask != 0 && !(i instanceof Mark)) {
                    decoded.step().run(warp, mask);
                }
                warp.jump(here, at + 1);
            }
        }
    }

    private static void jump(Warp warp, int fallThrough, int next, int taken, int target) {
        if (fallThrough != 0) {
            warp.jump(fallThrough, next);
        }
        if (taken != 0) {
            warp.jump(taken, target);
        }
    }

    private static int guardMask(Decoded decoded, Warp warp, int here) {
        if (decoded.guard() < 0) {
            return Warp.ALL;
        }
        requireWritten(decoded.line().guard(), decoded.guard(), warp, here);
        int mask = warp.predicate(decoded.guard());
        return decoded.line().negated() ? ~mask : mask;
    }

    private static void requireWritten(Decoded decoded, Warp warp, int mask) {
        for (int n = 0; n < decoded.reads().length; n++) {
            int register = decoded.reads()[n];
            if ((warp.written(register) & mask) != mask) {
                List<Operand> reads = decoded.line().instruction().reads();
                Operand unwritten =
                        reads.stream().filter(Reg.class::isInstance).toList().get(n);
                requireWritten(unwritten, register, warp, mask);
            }
        }
    }

    private static void requireWritten(Operand operand, int register, Warp warp, int mask) {
        int missing = mask & ~warp.written(register);
        if (missing != 0) {
            warp.lane = Integer.numberOfTrailingZeros(missing);
            throw new Fault("reads register " + operand + ", which was never written");
        }
    }
}
