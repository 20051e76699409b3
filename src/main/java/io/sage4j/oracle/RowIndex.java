package io.sage4j.oracle;

/**
 * One row of an attention output.
 *
 * @param b batch entry
 * @param h query head
 * @param i query row
 */
public record RowIndex(int b, int h, int i) {}
