package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sage4j.Variant;
import io.sage4j.kernel.PvCodes;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.PvFormat;
import io.sage4j.oracle.ModelResult;
import io.sage4j.oracle.NumericCounts;
import io.sage4j.oracle.QuantizedOperands;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * Compares a plan that has run with the model.
 *
 * <p>On tornado-jvm everything must be the model's to the bit (a NaN equals a NaN, and a zero the other zero). A real
 * TornadoVM contracts multiplications with additions and has its own exponential: there, only codes must be equal (on PTX next to
 * each other); sums must
 * be within {@link #DEVICE_SUM_ERROR} of the largest, outputs within {@link #DEVICE_ERROR}, lse within {@link #DEVICE_LSE_ERROR}.
 */
public final class PlanChecks {
    /** Error of an output of a real TornadoVM, as a fraction of the largest: P may round to a neighbour. */
    static final double DEVICE_ERROR = 2e-2;
    /** Error of an lse of a real TornadoVM, up to a magnitude of 100; in proportion beyond, as FP32 numbers lie further apart. */
    static final double DEVICE_LSE_ERROR = 1e-4;
    /** Error of a scale, mean or delta-s of a real TornadoVM, as a fraction of the largest. */
    static final double DEVICE_SUM_ERROR = 1e-5;
    /** Relative error of a mean that is divided to 2 ulp. */
    private static final double MEAN_ERROR = 0x1p-22;

    private PlanChecks() {}

    /** Whether the TornadoVM API on the class path is a real TornadoVM: its SDK is made of named modules. */
    static boolean isRealTornadoVm() {
        return KernelContext.class.getModule().isNamed();
    }

    /** The variants whose operations the backend under test has; tornado-jvm has all. */
    public static List<Variant> runnable(List<Variant> variants) {
        return isRealTornadoVm()
                ? variants.stream()
                        .filter(v -> v.rung()
                                .tornadoBackends()
                                .contains(askedBackend().toLowerCase(Locale.ROOT)))
                        .toList()
                : variants;
    }

    /** Fills the plan, runs it, and compares everything. */
    static void runAndCheck(PlanCase c) {
        try (AttentionPlan plan = AttentionPlan.of(c.problem())) {
            c.fill(plan);
            plan.run();
            check(c, plan);
            if (isRealTornadoVm()) {
                requireRanOn(plan, askedBackend(), askedDevice());
            }
        }
    }

    /** The backend that this test JVM was started for, as TornadoVM names it. */
    static String askedBackend() {
        return System.getProperty("sage4j.tornado.backend").toUpperCase(Locale.ROOT);
    }

    /** Name of the device that was asked for. */
    static String askedDevice() {
        return TornadoExecutionPlan.getDevice(0, 0).getPhysicalDevice().getDeviceName();
    }

    /**
     * The profiler has a time for every step, on the device asked for. TornadoVM runs a kernel as plain Java, or not at all,
     * without an error: that there was none proves nothing.
     */
    static void requireRanOn(AttentionPlan plan, String backend, String device) {
        assertThat(plan.steps().stream().map(AttentionPlan.Step::name))
                .as("steps that the profiler saw on a device")
                .isEqualTo(plan.stepNames());
        assertThat(plan.steps()).allSatisfy(step -> {
            assertThat(step.nanos()).as("device time of %s", step.name()).isPositive();
            assertThat(step.backend()).as("backend of %s", step.name()).isEqualToIgnoringCase(backend);
            assertThat(step.device()).as("device of %s", step.name()).contains(device);
        });
    }

    static void check(PlanCase c, AttentionPlan plan) {
        ModelResult model = c.model();
        plan.operands().ifPresent(actual -> checkOperands(c, model.operands(), actual));
        ModelResult attended = codeSlack() > 0 && plan.operands().isPresent()
                ? c.modelOf(withCodesOf(c, model.operands(), plan.operands().orElseThrow()))
                : model;
        checkClose(c, "output", attended.output(c.dtype()), c.output(plan), largest(attended.o()) * DEVICE_ERROR);
        // Arrays have at least one element.
        float[] lse = Arrays.copyOf(PlanCase.floats(plan.lse().orElseThrow()), attended.lse().length);
        checkClose(c, "lse", attended.lse(), lse, DEVICE_LSE_ERROR * Math.max(1, largest(attended.lse()) / 100));
        if (!plan.stepNames().isEmpty()) {
            checkCounts(c, model.counts(), plan.counts());
        }
    }

    private static void checkCounts(PlanCase c, NumericCounts model, Counts counts) {
        assertThat(counts.nonFinite()).as("%s non-finite", c).isEqualTo(model.nonFinite());
        assertThat(counts.saturated()).as("%s saturated", c).isEqualTo(model.saturated());
        assertThat(counts.vFlushed())
                .as("%s flushed", c)
                .isCloseTo(model.vFlushed(), within(codeSlack() * model.vTotal() / 10_000));
        assertThat(counts.vTotal()).as("%s total", c).isEqualTo(model.vTotal());
    }

    private static void checkClose(PlanCase c, String what, float[] expected, float[] actual, double deviceSlack) {
        assertThat(actual).as("%s %s", c, what).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            check(c, what, i, expected[i], actual[i], deviceSlack);
        }
    }

    private static void check(PlanCase c, String what, int index, float expected, float actual, double deviceSlack) {
        double slack = isRealTornadoVm() ? deviceSlack : 0;
        if (!same(expected, actual) && !(Math.abs(expected - actual) <= slack)) {
            assertThat(actual).as("%s %s %d", c, what, index).isEqualTo(expected);
        }
    }

    private static double largest(float[] values) {
        double largest = 0;
        for (float v : values) {
            largest = Math.max(largest, Float.isFinite(v) ? Math.abs(v) : 0);
        }
        return largest;
    }

    private static boolean same(float expected, float actual) {
        return expected == actual || Float.isNaN(expected) && Float.isNaN(actual);
    }

    private static void checkOperands(PlanCase c, QuantizedOperands model, OperandArrays actual) {
        OperandLayout layout = c.problem().operands();
        int dim = c.shape().headDim();
        int padded = layout.paddedDim();
        checkSums(c, "k mean", model.kMean(), actual.kMeans(), dim, padded);
        checkSums(c, "q mean", model.qMean(), actual.qMeans(), dim, padded);
        checkSums(c, "v mean", model.vMean(), actual.vMeans(), dim, padded);
        // Sums of products of a mean and a difference: where all keys are alike, of nothing but what the mean was
        // rounded by.
        double ofMean = codeSlack() * MEAN_ERROR * dim * largest(model.qMean()) * largest(model.kMean());
        checkSums(c, "delta-s", model.deltaS(), actual.deltaS(), c.shape().kvLen(), layout.kRows(), ofMean);
        checkScales(c, "q scale", model.qScales(), actual.qScales(), model.qScales().length);
        // What keys that are all alike are, less a mean that was divided otherwise.
        double ofRounding = codeSlack() * 2 * MEAN_ERROR * largest(model.kMean());
        int limit = c.variant().scheme().qk().limit();
        int kScales = model.kScales().length;
        checkSums(c, "k scale", model.kScales(), actual.kScales(), kScales, kScales, ofRounding / limit);
        checkScales(c, "v scale", model.vScales(), actual.vScales(), dim);
        int perHeadQ = model.qGroups().count(layout.qRows());
        int perHeadK = model.kGroups().count(layout.kRows());
        int qHeads = c.shape().batch() * c.shape().qHeads();
        int kvHeads = c.shape().batch() * c.shape().kvHeads();
        for (int head = 0; head < qHeads; head++) {
            for (int row = 0; row < layout.qRows(); row++) {
                boolean sound = !Float.isNaN(
                        model.qScales()[head * perHeadQ + model.qGroups().index(row)]);
                for (int d = 0; d < padded; d++) {
                    boolean valid = row < c.shape().qoLen() && d < dim && sound;
                    int code = valid ? model.qCodes()[(head * c.shape().qoLen() + row) * dim + d] : 0;
                    int kernel = actual.qCodes().get((int) layout.qIndex(head, row, d));
                    checkCode(c, "q code", kernel, code, head, row, d);
                }
            }
        }
        for (int head = 0; head < kvHeads; head++) {
            for (int row = 0; row < layout.kRows(); row++) {
                float scale = model.kScales()[head * perHeadK + model.kGroups().index(row)];
                boolean sound = !Float.isNaN(scale);
                boolean noise = scale * limit <= ofRounding;
                for (int d = 0; d < padded; d++) {
                    boolean valid = row < c.shape().kvLen() && d < dim;
                    int plain = (head * c.shape().kvLen() + row) * dim + d;
                    int code = valid && sound ? model.kCodes()[plain] : 0;
                    int kernel = actual.kCodes().get((int) layout.kIndex(head, row, d));
                    if (!noise) {
                        checkCode(c, "k code", kernel, code, head, row, d);
                    }
                    checkV(c, model, actual, (int) layout.vIndex(head, row, d), valid ? plain : -1, head * dim + d);
                }
            }
        }
    }

    /** The model's operands, but for the device's codes: a neighbouring one changes scores by more than arithmetic does. */
    private static QuantizedOperands withCodesOf(PlanCase c, QuantizedOperands model, OperandArrays actual) {
        OperandLayout layout = c.problem().operands();
        int dim = c.shape().headDim();
        for (int head = 0; head < c.shape().batch() * c.shape().qHeads(); head++) {
            for (int row = 0; row < c.shape().qoLen(); row++) {
                for (int d = 0; d < dim; d++) {
                    model.qCodes()[(head * c.shape().qoLen() + row) * dim + d] =
                            actual.qCodes().get((int) layout.qIndex(head, row, d));
                }
            }
        }
        for (int head = 0; head < c.shape().batch() * c.shape().kvHeads(); head++) {
            for (int row = 0; row < c.shape().kvLen(); row++) {
                for (int d = 0; d < dim; d++) {
                    int plain = (head * c.shape().kvLen() + row) * dim + d;
                    model.kCodes()[plain] = actual.kCodes().get((int) layout.kIndex(head, row, d));
                    int index = (int) layout.vIndex(head, row, d);
                    if (c.variant().scheme().pv() != PvFormat.FP16) {
                        byte code =
                                PvCodes.codeAt(actual.vCodes().get(index / PvCodes.PER_WORD), index % PvCodes.PER_WORD);
                        model.vValues()[plain] = PvCodes.decode(
                                code, PvCodes.formatOf(c.variant().scheme().pv()));
                    }
                }
            }
        }
        return model;
    }

    /** Code of V at an index; {@code plain} is its index in the model, -1 for padding. */
    private static void checkV(
            PlanCase c, QuantizedOperands model, OperandArrays actual, int index, int plain, int channel) {
        if (c.variant().scheme().pv() == PvFormat.FP16) {
            short bits = actual.vHalves().get(index).getHalfFloatValue();
            short expected = plain < 0 ? 0 : model.vCodes()[plain];
            if (Math.abs(bits - expected) > codeSlack() && !same(Float16.decode(expected), Float16.decode(bits))) {
                assertThat(bits).as("%s v half %d", c, index).isEqualTo(expected);
            }
            return;
        }
        // Codes under a NaN scale have no meaning.
        boolean sound = plain >= 0 && !Float.isNaN(model.vScales()[channel]);
        int code = PvCodes.codeAt(actual.vCodes().get(index / PvCodes.PER_WORD), index % PvCodes.PER_WORD);
        checkCode(c, "v code", code, sound ? model.vCodes()[plain] : 0, 0, index, channel);
    }

    /** TornadoVM's PTX backend divides by {@code div.full}, to 2 ulp: what lies half way between codes may go either way. */
    private static int codeSlack() {
        return isRealTornadoVm() && askedBackend().equals("PTX") ? 1 : 0;
    }

    private static void checkCode(PlanCase c, String what, int kernel, int model, int head, int row, int d) {
        int difference = Math.abs((byte) kernel - (byte) model);
        if (difference > codeSlack()) {
            assertThat(kernel)
                    .as("%s %s head %d row %d channel %d", c, what, head, row, d)
                    .isEqualTo(model);
        }
    }

    private static void checkScales(PlanCase c, String what, float[] model, FloatArray actual, int dim) {
        if (model.length > 0) {
            checkSums(c, what, model, actual, dim, actual.getSize() / (model.length / dim));
        }
    }

    private static void checkSums(PlanCase c, String what, float[] model, FloatArray actual, int length, int stride) {
        checkSums(c, what, model, actual, length, stride, 0);
    }

    /** Rows of {@code length} numbers, in the array {@code stride} apart. */
    private static void checkSums(
            PlanCase c, String what, float[] model, FloatArray actual, int length, int stride, double more) {
        double slack = largest(model) * DEVICE_SUM_ERROR + more;
        for (int i = 0; i < model.length; i++) {
            check(c, what, i, model[i], actual.get(i / length * stride + i % length), slack);
        }
    }
}
