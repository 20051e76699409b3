package io.sage4j.plan;

import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.plan.NativeAttention.Call;
import io.sage4j.plan.NativeAttention.Placed;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.kernel.MmaTarget;
import io.sage4j.ptx.kernel.QkCode;
import io.sage4j.ptx.kernel.Watch;
import io.sage4j.ptx.kernel.WgmmaAttentionSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;

/** Steps of a call on native kernels: its sizes, and how launches, memory and arguments are made. */
abstract class NativeSteps {
    /** Bytes of the widest accesses of the Hopper kernels. */
    private static final int CHUNK = 16;

    final NativeDevice device;
    final Call call;
    final AttentionShape shape;
    final Scheme scheme;
    final OperandLayout layout;
    final boolean wgmma;
    final QkCode code;
    final int dim;
    final int heads;
    final int kvHeads;
    final boolean fp8;
    /** Whether Q goes to the attention kernel as it is: the Hopper kernel quantizes rows that are whole chunks. */
    final boolean quantizesQ;

    NativeSteps(NativeDevice device, Call call) {
        this.device = device;
        this.call = call;
        shape = call.shape();
        scheme = call.scheme();
        layout = new OperandLayout(shape, scheme.tiles());
        wgmma = scheme.tiles().equals(TileShape.WGMMA);
        code = QkCode.of(scheme.qk(), device.arch());
        dim = wgmma ? new WgmmaLayout(shape).paddedDim() : MmaTarget.paddedDim(shape.headDim());
        heads = Math.multiplyExact(shape.batch(), shape.qHeads());
        kvHeads = Math.multiplyExact(shape.batch(), shape.kvHeads());
        fp8 = scheme.pv().ofV() == PvFormat.E4M3;
        quantizesQ = wgmma && isInChunks(call.q());
    }

    /** Equal for equal kernels: their generator and all that it is given. */
    record Key(Class<?> generator, List<Object> options) {
        static Key of(Class<?> generator, Object... options) {
            return new Key(generator, Arrays.asList(options));
        }
    }

    /**
     * What only some calls have; 0 for none.
     *
     * @param vMean of smooth V
     * @param deltaS of smooth Q
     * @param correction of the log-sum-exp
     */
    record Extras(long vMean, long deltaS, long correction) {}

    /** Codes and their scales. */
    record Codes(long codes, long scales) {}

    /**
     * Codes of V, and their scales for the scheme and for the one to fall back to.
     *
     * @param scales 0 if the codes have none
     * @param ifHeavy 0 if V is not watched
     * @param heavy address of the count of heavy-tailed channels; 0 if V is not watched
     */
    record Values(long codes, long scales, long ifHeavy, long heavy) {}

    /** A last step. */
    interface Attend {
        void start(Codes q, Codes k, Values v, Extras extras);
    }

    final void launch(
            String step, Key key, Supplier<Kernel> kernel, int gridX, int gridY, int gridZ, List<Object> arguments) {
        device.launch(step, key, kernel, gridX, gridY, gridZ, false, arguments);
    }

    final List<Object> input(Placed data, int headCount, int tokens) {
        return new ArrayList<>(
                List.of(data.address(), headCount, data.batch(), data.head(), data.token(), tokens, shape.headDim()));
    }

    final long floats(long count) {
        return device.allocate(Math.multiplyExact(count, (long) Float.BYTES));
    }

    final float scoreScale() {
        boolean inCodes = wgmma && !quantizesQ;
        return (inCodes ? Math.abs(call.smScale()) : call.smScale()) * Numbers.LOG2E;
    }

    final boolean isCausal() {
        return shape.isCausal(call.diagonal());
    }

    final boolean pairedStores() {
        return shape.headDim() % 2 == 0 && call.out().isAligned(2, call.type().bytes());
    }

    /** Whether rows are whole chunks of 16 bytes, aligned to them. */
    final boolean isInChunks(Placed data) {
        return isInChunks(call, data);
    }

    static boolean isInChunks(Call call, Placed data) {
        int bytes = call.type().bytes();
        return call.shape().headDim() * bytes % CHUNK == 0 && data.isAligned(CHUNK / bytes, bytes);
    }

    /** How the Hopper attention kernel may write. */
    final WgmmaAttentionSpec.Stores stores() {
        if (!pairedStores()) {
            return WgmmaAttentionSpec.Stores.SINGLE;
        }
        return isInChunks(call.out()) ? WgmmaAttentionSpec.Stores.WIDE : WgmmaAttentionSpec.Stores.PAIRED;
    }

    /**
     * What both attention kernels take, up to the score factor: where wgmma gets codes of Q its magnitude, as these have the
     * sign.
     */
    final List<Object> attentionArguments(Codes q, Codes k, Values v, Extras extras, Watch watch) {
        List<Object> arguments = operands(q, k, v);
        arguments.addAll(statistics(v, extras, watch));
        if (scheme.smoothQ()) {
            arguments.add(extras.deltaS());
        }
        arguments.addAll(target(extras));
        arguments.addAll(scores());
        return arguments;
    }

    /** Sizes, and how scores are made. */
    final List<Object> scores() {
        List<Object> arguments = new ArrayList<>(
                List.of(shape.qoLen(), shape.kvLen(), shape.kvHeads(), shape.groupSize(), shape.headDim()));
        if (isCausal()) {
            arguments.add(call.diagonal());
        }
        arguments.add(scoreScale());
        return arguments;
    }

    /** K and V, and where their means, V's scales and what it is multiplied by go, 0 for what there is not. */
    final List<Object> keysAndValues(long kMean, long vMean, long vScales, long vInverse) {
        List<Object> arguments = input(call.k(), shape.kvHeads(), shape.kvLen());
        arguments.addAll(input(call.v(), shape.kvHeads(), shape.kvLen()));
        if (scheme.smoothK()) {
            arguments.add(kMean);
        }
        if (scheme.smoothV()) {
            arguments.add(vMean);
        }
        if (fp8) {
            arguments.addAll(List.of(vScales, vInverse));
        }
        return arguments;
    }

    final List<Object> operands(Codes q, Codes k, Values v) {
        List<Object> arguments = new ArrayList<>(List.of(q.codes(), k.codes(), v.codes()));
        if (quantizesQ) {
            arguments.addAll(List.of(call.q().batch(), call.q().head(), call.q().token()));
        } else {
            arguments.add(q.scales());
        }
        arguments.add(k.scales());
        return arguments;
    }

    /** What the output is multiplied by, and what is added to it. */
    final List<Object> statistics(Values v, Extras extras, Watch watch) {
        List<Object> arguments = new ArrayList<>();
        if (fp8) {
            arguments.add(watch == Watch.IF_HEAVY ? v.ifHeavy() : v.scales());
        }
        if (scheme.smoothV()) {
            arguments.add(extras.vMean());
        }
        return arguments;
    }

    final List<Object> target(Extras extras) {
        Placed out = call.out();
        List<Object> arguments = new ArrayList<>(List.of(out.address(), out.batch(), out.head(), out.token()));
        if (call.lse() != 0) {
            arguments.addAll(List.of(call.lse(), extras.correction()));
        }
        return arguments;
    }
}
