package io.sage4j.oracle;

import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.Scheme;

/**
 * What steps 1 to 4 of docs/numerics.md leave for the attention step. Rows and channels are plain and unpadded (not the
 * kernels' {@link OperandLayout}); scales are in the order of {@link ScaleGroups} over the padded rows, and a group
 * without a valid row has the scale of an all-zero group. An array is empty where the scheme has no such thing.
 *
 * @param kMean [batch * kvHeads][headDim], smooth K
 * @param qMean [batch * qHeads][qTiles][headDim], smooth Q
 * @param vMean [batch * kvHeads][headDim], smooth V
 * @param qCodes [batch * qHeads][qoLen][headDim], one code per byte, INT4 too
 * @param qScales [batch * qHeads][{@code qGroups.count(qRows)}]
 * @param kCodes [batch * kvHeads][kvLen][headDim]
 * @param kScales [batch * kvHeads][{@code kGroups.count(kRows)}]
 * @param vCodes [batch * kvHeads][kvLen][headDim], FP16: the bits; 8-bit formats: the byte, sign-extended
 * @param vValues [batch * kvHeads][kvLen][headDim], the codes decoded, without the scale
 * @param vScales [batch * kvHeads][headDim], formats that scale V
 * @param deltaS [batch * qHeads][qTiles][kvLen], smooth Q, without sm_scale
 * @param qGroups grouping of the rows of Q
 * @param kGroups grouping of the rows of K
 */
public record QuantizedOperands(
        float[] kMean,
        float[] qMean,
        float[] vMean,
        byte[] qCodes,
        float[] qScales,
        byte[] kCodes,
        float[] kScales,
        short[] vCodes,
        float[] vValues,
        float[] vScales,
        float[] deltaS,
        ScaleGroups qGroups,
        ScaleGroups kGroups) {

    /** Arrays of the right sizes, all zero. */
    static QuantizedOperands allocate(OperandLayout layout, Scheme scheme) {
        int dim = layout.shape().headDim();
        int qHeads = layout.shape().batch() * layout.shape().qHeads();
        int kvHeads = layout.shape().batch() * layout.shape().kvHeads();
        int qRows = qHeads * layout.shape().qoLen();
        int kvRows = kvHeads * layout.shape().kvLen();
        int qTiles = scheme.smoothQ() ? qHeads * layout.qTiles() : 0;
        Granularity granularity = scheme.granularity();
        ScaleGroups qGroups = ScaleGroups.ofQ(granularity, layout.tiles(), layout.qRows());
        ScaleGroups kGroups = ScaleGroups.ofK(granularity, layout.tiles(), layout.kRows());
        return new QuantizedOperands(
                new float[scheme.smoothK() ? kvHeads * dim : 0],
                new float[qTiles * dim],
                new float[scheme.smoothV() ? kvHeads * dim : 0],
                new byte[qRows * dim],
                new float[qHeads * qGroups.count(layout.qRows())],
                new byte[kvRows * dim],
                new float[kvHeads * kGroups.count(layout.kRows())],
                new short[kvRows * dim],
                new float[kvRows * dim],
                new float[scheme.pv().scalesV() ? kvHeads * dim : 0],
                new float[qTiles * layout.shape().kvLen()],
                qGroups,
                kGroups);
    }
}
