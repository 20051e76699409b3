package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.List;

/**
 * The end of a warpgroup's part of the keys of 64 rows of {@link WgmmaAttention}: what {@link JoinParts} needs of a thread's two rows. Without
 * the division, so that parts can be added up.
 *
 * @param lane number of the lane
 * @param work tile of 64 rows, some of whose keys these are
 * @param part number of the part, counted over all
 * @param row first of the thread's rows, counted in the tile; the other is 8 further
 */
record WgmmaParts(
        KernelBuilder k, WgmmaAttentionSpec spec, WgmmaParams in, Reg lane, WgmmaParams.Work work, Reg part, Reg row) {
    private static final int N = 8;
    private static final int FLOAT = 4;

    /** Writes; {@code sum} holds a row's sum in the first of the four lanes that share the row. */
    void write(List<Reg> o, List<Reg> max, List<Reg> sum) {
        Reg inFour = k.and(lane, 3);
        Reg leads = k.compare(Relation.EQ, Type.U32, inFour, Imm.of(0));
        Reg left = k.sub(Type.U32, in.qoLen(work), k.mul(Type.U32, work.qTile(), Imm.of(spec.rows())));
        for (int half = 0; half < 2; half++) {
            Reg inTile = k.add(row, half * N);
            Reg valid = k.compare(Relation.LT, Type.U32, inTile, left);
            Reg index = k.mad(Type.U32, part, Imm.of(spec.rows()), inTile);
            Reg rowOfO = k.index(in.partO, index, spec.paddedDim() * FLOAT);
            Address to = Address.of(k.index(rowOfO, inFour, 2 * FLOAT));
            for (int n = 0; n < spec.paddedDim() / N; n++) {
                int own = 4 * n + 2 * half;
                Address channels = to.plus(n * N * FLOAT);
                k.guarded(valid, () -> k.store(Space.GLOBAL, Type.F32, channels, o.get(own), o.get(own + 1)));
            }
            Address weight = Address.of(k.index(in.partWeights, index, 2 * FLOAT));
            Reg m = max.get(half);
            Reg l = sum.get(half);
            k.guarded(k.and(valid, leads), () -> k.store(Space.GLOBAL, Type.F32, weight, m, l));
        }
    }
}
