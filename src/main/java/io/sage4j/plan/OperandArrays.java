package io.sage4j.plan;

import java.util.List;
import java.util.stream.Stream;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * What the quantizers of a plan write and its attention kernel reads, laid out as
 * {@link io.sage4j.numeric.OperandLayout} says. An array of one element stands for what the scheme does not have.
 *
 * @param qCodes codes of Q
 * @param qScales scales of Q
 * @param kCodes codes of K
 * @param kScales scales of K
 * @param vCodes codes of V in an 8-bit format, by fours, see {@link io.sage4j.kernel.PvCodes#word}
 * @param vHalves V in FP16
 * @param vScales scales of V
 * @param qMeans [batch * qHeads][qTiles][paddedDim]
 * @param kMeans [batch * kvHeads][paddedDim]
 * @param vMeans [batch * kvHeads][paddedDim]
 * @param deltaS [batch * qHeads][qTiles][kRows]
 */
public record OperandArrays(
        ByteArray qCodes,
        FloatArray qScales,
        ByteArray kCodes,
        FloatArray kScales,
        IntArray vCodes,
        HalfFloatArray vHalves,
        FloatArray vScales,
        FloatArray qMeans,
        FloatArray kMeans,
        FloatArray vMeans,
        FloatArray deltaS) {

    /** The arrays that the scheme has, for a transfer to the host. */
    Object[] arrays(List<Object> standIns) {
        Stream<Object> all =
                Stream.of(qCodes, qScales, kCodes, kScales, vCodes, vHalves, vScales, qMeans, kMeans, vMeans, deltaS);
        return all.filter(a -> standIns.stream().noneMatch(s -> s == a)).toArray();
    }
}
