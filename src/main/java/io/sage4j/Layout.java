package io.sage4j;

/** Order of the dimensions of Q, K, V and the output. */
public enum Layout {
    /** [batch, heads, tokens, head_dim]. */
    HND,
    /** [batch, tokens, heads, head_dim]. */
    NHD;

    /** Position of the heads among the four dimensions. */
    public int headAxis() {
        return this == HND ? 1 : 2;
    }

    /** Position of the tokens among the four dimensions. */
    public int tokenAxis() {
        return this == HND ? 2 : 1;
    }
}
