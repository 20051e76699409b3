package io.sage4j.plan;

import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.kernel.Clear;
import io.sage4j.ptx.kernel.JoinParts;
import io.sage4j.ptx.kernel.QuantizeKv;
import io.sage4j.ptx.kernel.Watch;
import io.sage4j.ptx.kernel.WgmmaAttention;
import io.sage4j.ptx.kernel.WgmmaAttentionSpec;
import io.sage4j.ptx.kernel.WorkPlan;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** The steps of a call that are special to Hopper tiles: quantizing K and V in one kernel, and {@code wgmma} attention. */
final class HopperSteps extends NativeSteps {
    HopperSteps(NativeDevice device, NativeAttention.Call call) {
        super(device, call);
    }

    /**
     * K and V on Hopper tiles, whose range need not be watched.
     *
     * @param kMean 0 without smooth K
     * @param vMean 0 without smooth V
     */
    record KeysAndValues(Codes k, Values v, long kMean, long vMean) {}

    KeysAndValues keysAndValues() {
        boolean wide = isInChunks(call.k()) && isInChunks(call.v());
        QuantizeKv.Spec spec = QuantizeKv.Spec.of(scheme, call.type(), dim, wide);
        int parts = layout.kRows() / QuantizeKv.TOKENS;
        int items = Math.multiplyExact(2 * kvHeads, parts);
        long codes = (long) kvHeads * layout.kRows() * dim;
        long channels = (long) kvHeads * dim;
        Codes k = new Codes(device.allocate(codes), floats((long) kvHeads * parts * WgmmaLayout.K_SCALES));
        Values v = new Values(device.allocate(codes * (fp8 ? 1 : 2)), fp8 ? floats(channels) : 0, 0, 0);
        long kMean = scheme.smoothK() ? floats(channels) : 0;
        long vMean = scheme.smoothV() ? floats(channels) : 0;
        int words = QuantizeKv.counters(kvHeads);
        long bytes = (long) words * Integer.BYTES;
        long kept = device.allocateKept(bytes);
        long counters = kept != 0 ? kept : device.allocate(bytes);
        if (kept == 0) {
            launch("clear", Key.of(Clear.class), Clear::kernel, 1, 1, 1, List.of(counters, words));
        }
        List<Object> arguments = keysAndValues(kMean, vMean, v.scales(), fp8 ? floats(channels) : 0);
        int ctas = spec.ctas(device.multiprocessors(), items);
        arguments.addAll(List.of(
                k.codes(),
                k.scales(),
                v.codes(),
                floats(spec.partials(items)),
                counters,
                device.allocate((long) items * Integer.BYTES),
                parts,
                items,
                QuantizeKv.FEW,
                QuantizeKv.patience(parts, ctas)));
        Key key = Key.of(QuantizeKv.class, spec);
        device.launch("quantize-kv", key, () -> QuantizeKv.kernel(spec), ctas, 1, 1, kept == 0, arguments);
        return new KeysAndValues(k, v, kMean, vMean);
    }

    /** @throws IllegalArgumentException saying what the kernel, or this GPU, cannot do */
    WgmmaAttentionSpec spec(Scheme by, Watch watch) {
        if (device.arch() != Arch.SM_90A) {
            throw new IllegalArgumentException("schemes on Hopper tiles need a Hopper GPU, this one is "
                    + device.arch().ptx() + ": take a variant without sm90 in its name");
        }
        return new WgmmaAttentionSpec(by, dim, isCausal(), call.lse() != 0, call.type(), stores(), watch, quantizesQ);
    }

    Attend attend(String step, Scheme by, Watch watch) {
        WgmmaAttentionSpec spec = spec(by, watch);
        // Who watches V starts two kernels, one of them for nothing: no parts then.
        boolean parted = watch == Watch.NONE;
        WorkPlan plan = WorkPlan.of(
                WorkPlan.Call.of(shape, by, call.diagonal(), device.multiprocessors(), device.cacheBytes(), parted));
        return (q, k, v, extras) -> {
            if (plan.whole() > 0) {
                attendWhole(step, spec, plan, attentionArguments(q, k, v, extras, watch), v, extras);
            }
            if (plan.tiles() > 0) {
                attendInParts(spec, plan, q, k, v, extras);
            }
        };
    }

    private void attendWhole(
            String step, WgmmaAttentionSpec spec, WorkPlan plan, List<Object> arguments, Values v, Extras extras) {
        arguments.addAll(order(plan));
        arguments.add(plan.whole());
        if (isCausal()) {
            arguments.add(plan.order().turns() ? 1 : 0);
        }
        if (spec.watch() != Watch.NONE) {
            arguments.add(v.heavy());
        }
        launchAttention(step, spec, plan.whole(), isBehindQuantizeKv(extras), arguments);
    }

    private void launchAttention(
            String step, WgmmaAttentionSpec spec, int count, boolean early, List<Object> arguments) {
        Key key = Key.of(WgmmaAttention.class, spec);
        int ctas = Math.min(device.multiprocessors(), count);
        device.launch(step, key, () -> WgmmaAttention.kernel(spec), ctas, 1, 1, early, arguments);
    }

    /** Launches a kernel that may start while the one started last ends: it waits for that one itself. */
    private void launchEarly(
            String step, Key key, Supplier<Kernel> kernel, int gridX, int gridY, List<Object> arguments) {
        device.launch(step, key, kernel, gridX, gridY, 1, true, arguments);
    }

    /**
     * Whether attention comes right behind {@code quantize-kv}, which it waits for itself. Elsewhere another kernel comes between,
     * or V is watched: then it begins by reading what the one in front wrote.
     */
    private boolean isBehindQuantizeKv(Extras extras) {
        return call.ifHeavy() == null && quantizesQ && extras.correction() == 0;
    }

    /** What the Hopper kernels are told of the order of the work tiles. */
    private List<Object> order(WorkPlan plan) {
        List<Object> arguments = new ArrayList<>(List.of(heads, plan.headTiles()));
        if (isCausal()) {
            arguments.add(plan.order().headGroup());
        }
        return arguments;
    }

    /** Attends the rows whose keys are split, behind the whole work tiles, and joins their parts. */
    private void attendInParts(WgmmaAttentionSpec whole, WorkPlan plan, Codes q, Codes k, Values v, Extras extras) {
        WgmmaAttentionSpec spec = whole.inParts();
        int parts = plan.parts() * spec.keySharers();
        long rows = (long) plan.tiles() * parts * spec.rows();
        long partO = floats(rows * dim);
        long partWeights = floats(rows * 2);
        List<Object> arguments = operands(q, k, v);
        arguments.addAll(List.of(partO, partWeights));
        arguments.addAll(scores());
        arguments.addAll(order(plan));
        arguments.addAll(List.of(plan.units(), plan.restTiles(), plan.whole(), plan.parts(), plan.partTiles()));
        boolean early = plan.whole() > 0 || isBehindQuantizeKv(extras);
        launchAttention("attend-parts", spec, plan.units(), early, arguments);
        JoinParts.Spec join = JoinParts.Spec.of(whole);
        List<Object> joined = new ArrayList<>(List.of(partO, partWeights));
        joined.addAll(statistics(v, extras, Watch.NONE));
        joined.addAll(target(extras));
        joined.addAll(List.of(shape.qoLen(), shape.kvHeads(), shape.groupSize(), shape.headDim()));
        joined.addAll(order(plan));
        joined.addAll(List.of(plan.restTiles(), plan.whole(), parts));
        launchEarly(
                "join-parts",
                Key.of(JoinParts.class, join),
                () -> JoinParts.kernel(join),
                plan.tiles(),
                Math.ceilDiv(Math.min(spec.rows(), shape.qoLen()), JoinParts.WARPS),
                joined);
    }
}
