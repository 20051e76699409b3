package io.sage4j.ptx.sim;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.numeric.Fp8;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.MmaShape;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Matrix instructions on whole matrices, scattered into fragments by the formulas of the PTX ISA (section "Matrix
 * Fragments" of each shape), which give row and column of element {@code i} of a lane's fragment.
 */
class MmaModelTest {
    private static final int LANES = 32;

    /** PTX ISA: row of element i of A. */
    private static int rowA(MmaShape shape, int group, int i) {
        return switch (shape) {
            case F16_F32, F16_F16 -> i >= 0 && i < 2 || i >= 4 && i < 6 ? group : group + 8;
            case S8, E4M3_F32, E4M3_F16 -> i >= 0 && i < 4 || i >= 8 && i < 12 ? group : group + 8;
            case S4 -> i >= 0 && i < 8 || i >= 16 && i < 24 ? group : group + 8;
            case S4_HALF -> i < 8 ? group : group + 8;
        };
    }

    /** PTX ISA: column of element i of A. */
    private static int columnA(MmaShape shape, int t, int i) {
        return switch (shape) {
            case F16_F32, F16_F16 -> i < 4 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8;
            case S8, E4M3_F32, E4M3_F16 -> i < 8 ? t * 4 + (i & 3) : t * 4 + (i & 3) + 16;
            case S4 -> i < 16 ? t * 8 + (i & 7) : t * 8 + (i & 7) + 32;
            case S4_HALF -> t * 8 + (i & 7);
        };
    }

    /** PTX ISA: row of element i of B; its column is the group. */
    private static int rowB(MmaShape shape, int t, int i) {
        return switch (shape) {
            case F16_F32, F16_F16 -> i < 2 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8;
            case S8, E4M3_F32, E4M3_F16 -> i < 4 ? t * 4 + (i & 3) : t * 4 + (i & 3) + 16;
            case S4 -> i < 8 ? t * 8 + (i & 7) : t * 8 + (i & 7) + 32;
            case S4_HALF -> t * 8 + i;
        };
    }

    private static double decode(MmaShape shape, int code) {
        return switch (shape) {
            case S8 -> (byte) code;
            case S4, S4_HALF -> code << 28 >> 28;
            case E4M3_F32, E4M3_F16 -> Fp8.E4M3.decode((byte) code);
            case F16_F32, F16_F16 -> Float.float16ToFloat((short) code);
        };
    }

    private static int code(MmaShape shape, Random random) {
        return switch (shape) {
            case S8 -> random.nextInt(256);
            case S4, S4_HALF -> random.nextInt(16);
            case E4M3_F32, E4M3_F16 -> Fp8.E4M3.encode((float) random.nextGaussian()) & 0xFF;
            case F16_F32, F16_F16 -> Float.floatToFloat16((float) random.nextGaussian()) & 0xFFFF;
        };
    }

    private static Kernel kernel(MmaShape shape) {
        KernelBuilder k = new KernelBuilder("mma", LANES);
        Reg from = k.param("from", Type.U64);
        Reg to = k.param("to", Type.U64);
        Reg tid = k.read(Special.TID_X);
        Type type = shape.accumulator() == RegType.F32 ? Type.F32 : Type.U32;
        int inputs = shape.aRegs() + shape.bRegs() + shape.accumulatorRegs();
        Address in = Address.of(k.index(from, tid, inputs * 4));
        int operands = shape.aRegs() + shape.bRegs();
        List<Reg> ab = new ArrayList<>();
        List<Reg> c = new ArrayList<>();
        for (int n = 0; n < inputs; n++) {
            (n < operands ? ab : c).add(k.load(Space.GLOBAL, n < operands ? Type.U32 : type, in.plus(4 * n)));
        }
        k.mma(shape, c, ab.subList(0, shape.aRegs()), ab.subList(shape.aRegs(), operands), c);
        for (int n = 0; n < c.size(); n++) {
            k.store(
                    Space.GLOBAL,
                    type,
                    Address.of(k.index(to, tid, c.size() * 4)).plus(4 * n),
                    c.get(n));
        }
        return k.build();
    }

    @ParameterizedTest
    @EnumSource(MmaShape.class)
    void multipliesMatricesInTheFragmentsOfThePtxIsa(MmaShape shape) {
        Random random = new Random(shape.ordinal());
        int k = shape.k();
        int perReg = 32 / shape.bits();
        int[][] a = new int[16][k];
        int[][] b = new int[k][8];
        double[][] c = new double[16][8];
        for (int d = 0; d < k; d++) {
            for (int row = 0; row < 16; row++) {
                a[row][d] = code(shape, random);
            }
            for (int column = 0; column < 8; column++) {
                b[d][column] = code(shape, random);
            }
        }
        int inputs = shape.aRegs() + shape.bRegs() + shape.accumulatorRegs();
        int operands = shape.aRegs() + shape.bRegs();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment in = arena.allocate(LANES * inputs * 4L);
            MemorySegment out = arena.allocate(LANES * shape.accumulatorRegs() * 4L);
            for (int lane = 0; lane < LANES; lane++) {
                int group = lane / 4;
                int t = lane % 4;
                int[] words = new int[inputs];
                for (int i = 0; i < shape.aRegs() * perReg; i++) {
                    words[i / perReg] |= a[rowA(shape, group, i)][columnA(shape, t, i)] << shape.bits() * (i % perReg);
                }
                for (int i = 0; i < shape.bRegs() * perReg; i++) {
                    words[shape.aRegs() + i / perReg] |= b[rowB(shape, t, i)][group] << shape.bits() * (i % perReg);
                }
                for (int i = 0; i < 4; i++) {
                    float value = shape.isInteger()
                            ? random.nextInt(100000)
                            : Float.float16ToFloat(Float.floatToFloat16(random.nextFloat()));
                    c[i < 2 ? group : group + 8][t * 2 + (i & 1)] = value;
                    if (shape.isHalf()) {
                        words[operands + i / 2] |= (Float.floatToFloat16(value) & 0xFFFF) << 16 * (i & 1);
                    } else {
                        words[operands + i] = shape.isInteger() ? (int) value : Float.floatToRawIntBits(value);
                    }
                }
                MemorySegment.copy(words, 0, in, ValueLayout.JAVA_INT, lane * inputs * 4L, inputs);
            }
            GlobalMemory memory = new GlobalMemory();
            new Simulator(memory).run(kernel(shape), 1, 1, 1, memory.map(in), memory.map(out));
            for (int lane = 0; lane < LANES; lane++) {
                for (int i = 0; i < 4; i++) {
                    int row = i < 2 ? lane / 4 : lane / 4 + 8;
                    int column = lane % 4 * 2 + (i & 1);
                    double exact = c[row][column];
                    for (int d = 0; d < k; d++) {
                        exact += decode(shape, a[row][d]) * decode(shape, b[d][column]);
                    }
                    int register = lane * shape.accumulatorRegs() + (shape.isHalf() ? i / 2 : i);
                    int word = out.getAtIndex(ValueLayout.JAVA_INT, register);
                    String where = shape + " (" + row + ", " + column + ")";
                    if (shape.isInteger()) {
                        assertThat(word).as(where).isEqualTo((int) exact);
                    } else if (shape.isHalf()) {
                        float half = Float.float16ToFloat((short) (word >>> 16 * (i & 1)));
                        float near = Float.float16ToFloat(Float.floatToFloat16((float) exact));
                        assertThat(Math.abs(half - near)).as(where).isLessThanOrEqualTo(Math.ulp(near) * 0x1p13f);
                    } else {
                        assertThat(Float.intBitsToFloat(word)).as(where).isEqualTo((float) exact);
                    }
                }
            }
        }
    }
}
