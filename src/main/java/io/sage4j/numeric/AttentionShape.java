package io.sage4j.numeric;

/**
 * Sizes of one attention call. Q and O are [batch, qHeads, qoLen, headDim], K and V [batch, kvHeads, kvLen, headDim].
 *
 * @param batch at least 1
 * @param qHeads query heads, a multiple of {@code kvHeads}
 * @param kvHeads key/value heads, at least 1
 * @param qoLen query tokens, at least 0
 * @param kvLen key tokens, at least 0
 * @param headDim channels of a head, 1..256
 */
public record AttentionShape(int batch, int qHeads, int kvHeads, int qoLen, int kvLen, int headDim) {
    /** Largest head_dim. */
    public static final int MAX_HEAD_DIM = 256;

    /** @throws IllegalArgumentException naming the size that is out of range */
    public AttentionShape {
        require("batch", batch, 1);
        require("num_kv_heads", kvHeads, 1);
        require("num_heads", qHeads, 1);
        require("qo_len", qoLen, 0);
        require("kv_len", kvLen, 0);
        if (qHeads % kvHeads != 0) {
            throw new IllegalArgumentException(
                    "num_heads is " + qHeads + ", expected a multiple of num_kv_heads " + kvHeads);
        }
        if (headDim < 1 || headDim > MAX_HEAD_DIM) {
            throw new IllegalArgumentException("head_dim is " + headDim + ", expected 1.." + MAX_HEAD_DIM);
        }
    }

    private static void require(String name, int value, int least) {
        if (value < least) {
            throw new IllegalArgumentException(name + " is " + value + ", expected at least " + least);
        }
    }

    /** Query heads that share one key/value head. */
    public int groupSize() {
        return qHeads / kvHeads;
    }

    /** Whether a diagonal, by which query i sees the keys j with {@code j <= i + diagonal}, hides a key from a query. */
    public boolean isCausal(int diagonal) {
        return diagonal < kvLen - 1;
    }

    /** The same with other lengths. */
    public AttentionShape ofTokens(int queries, int keys) {
        return new AttentionShape(batch, qHeads, kvHeads, queries, keys, headDim);
    }

    /** Key/value head of a query head. */
    public int kvHead(int qHead) {
        return qHead / groupSize();
    }
}
