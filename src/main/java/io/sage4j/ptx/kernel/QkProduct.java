package io.sage4j.ptx.kernel;

import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.MmaShape;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;

/**
 * The product Q K^T of one warp, 16 or 32 rows by 64 keys, over whole rows of codes. Both operands are rows of codes in
 * shared memory, read by {@code ldmatrix}: 32 bytes of 16 rows at once, which an instruction's depth is; and where packed
 * INT4 leaves 16 bytes, those of 32 rows.
 */
final class QkProduct {
    private static final int ROWS = TileShape.MMA_SYNC.blockQ();
    private static final int KEYS = TileShape.MMA_SYNC.blockK();
    private static final int N = 8;
    private static final int ROW_TILE = 16;
    /** Bytes of a row that one matrix instruction takes, of either width. */
    private static final int DEPTH = 32;

    private final KernelBuilder k;
    private final QkCode code;
    private final int rowBytes;
    private final int rowTiles;
    private final SwizzledTile tile;
    private final Reg startOfK;
    private final Reg startOfQ;
    /** The same of what is left of rows behind whole instructions; null if nothing is. */
    private final Reg restOfK;

    private final Reg restOfQ;

    /**
     * @param sharedQ the CTA's tile of Q
     * @param sharedK two tiles of K
     */
    QkProduct(KernelBuilder k, MmaAttentionSpec spec, Reg lane, Reg warp, Reg sharedQ, Reg sharedK) {
        this.k = k;
        code = spec.target().code();
        rowBytes = code.rowBytes(spec.paddedDim());
        rowTiles = spec.rowTiles();
        tile = tile(spec);
        Reg row = k.add(Type.U32, k.and(lane, 7), k.shl(k.shr(lane, 4), 3));
        startOfK = tile.start(k, sharedK, row, k.and(k.shr(lane, 3), 1));
        Reg rowsOfWarp = k.mad(Type.U32, warp, Imm.of(ROW_TILE * rowTiles * rowBytes), sharedQ);
        // Q's quarters come in the order of the left operand's registers, columns before rows: in K's order the
        // assembler
        // would copy them for every instruction.
        startOfQ = tile.start(k, rowsOfWarp, k.and(lane, 15), k.shr(lane, 4));
        boolean rest = rowBytes % DEPTH != 0;
        restOfK = rest ? rest(lane, sharedK) : null;
        restOfQ = rest ? rest(rowTiles == 1 ? k.and(lane, 15) : lane, rowsOfWarp) : null;
    }

    /** A tile of Q or K in shared memory. */
    static SwizzledTile tile(MmaAttentionSpec spec) {
        return new SwizzledTile(spec.target().code().rowBytes(spec.paddedDim()), false);
    }

    /** Bytes of a tile of Q in shared memory. */
    static int qBytes(MmaAttentionSpec spec) {
        return ROWS * tile(spec).pitch();
    }

    /** Bytes of a tile of K in shared memory. */
    static int kBytes(MmaAttentionSpec spec) {
        return KEYS * tile(spec).pitch();
    }

    private Reg rest(Reg row, Reg base) {
        return tile.address(k, base, row, k.move(Type.U32, Imm.of(tile.chunks() - 1)));
    }

    /**
     * The sums of a stage: [row tile][n8 tile][4].
     *
     * @param start what the four sums of an instruction start from
     */
    List<List<List<Reg>>> sums(Reg stage, List<Operand> start) {
        List<List<List<Reg>>> s = new ArrayList<>();
        for (int m = 0; m < rowTiles; m++) {
            List<List<Reg>> rows = new ArrayList<>();
            for (int n = 0; n < KEYS / N; n++) {
                rows.add(k.regs(RegType.B32, 4));
            }
            s.add(rows);
        }
        Reg keysAt = inStage(stage, startOfK);
        for (int depth = 0; depth < rowBytes / DEPTH; depth++) {
            whole(s, keysAt, depth, start);
        }
        if (restOfK != null) {
            rest(s, inStage(stage, restOfK), start);
        }
        return s;
    }

    private Reg inStage(Reg stage, Reg start) {
        return k.mad(Type.U32, stage, Imm.of(KEYS * rowBytes), start);
    }

    /** Adds the products of 32 bytes of each row. */
    private void whole(List<List<List<Reg>>> s, Reg keysAt, int depth, List<Operand> start) {
        List<List<Reg>> q = new ArrayList<>();
        for (int m = 0; m < rowTiles; m++) {
            Address qAt = tile.further(k, startOfQ, 2 * depth).plus(m * ROW_TILE * rowBytes);
            q.add(k.loadMatrix(4, qAt));
        }
        Address kAt = tile.further(k, keysAt, 2 * depth);
        for (int n = 0; n < KEYS / N; n += 2) {
            List<Reg> keys = k.loadMatrix(4, kAt.plus(n * N * rowBytes));
            for (int c = 0; c < 2; c++) {
                multiply(code.shape(), s, n + c, q, keys.subList(2 * c, 2 * c + 2), depth == 0 ? start : null);
            }
        }
    }

    /** Adds the products of the last 16 bytes of each row. */
    private void rest(List<List<List<Reg>>> s, Reg keysAt, List<Operand> start) {
        List<Reg> rows = k.loadMatrix(2 * rowTiles, Address.of(restOfQ));
        List<List<Reg>> q = new ArrayList<>();
        for (int m = 0; m < rowTiles; m++) {
            q.add(rows.subList(2 * m, 2 * m + 2));
        }
        for (int n = 0; n < KEYS / N; n += 4) {
            List<Reg> keys = k.loadMatrix(4, Address.of(keysAt).plus(n * N * rowBytes));
            for (int c = 0; c < 4; c++) {
                multiply(code.halfShape(), s, n + c, q, keys.subList(c, c + 1), rowBytes < DEPTH ? start : null);
            }
        }
    }

    /** Multiplies an n8 tile's keys by the rows of all row tiles; the sums go on if there is no start. */
    private void multiply(
            MmaShape shape, List<List<List<Reg>>> s, int n, List<List<Reg>> q, List<Reg> keys, List<Operand> start) {
        for (int m = 0; m < rowTiles; m++) {
            List<Reg> sums = s.get(m).get(n);
            k.mma(shape, sums, q.get(m), keys, start == null ? sums : start);
        }
    }
}
