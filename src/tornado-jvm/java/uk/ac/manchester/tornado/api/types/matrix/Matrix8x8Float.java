package uk.ac.manchester.tornado.api.types.matrix;

/** An 8 x 8 matrix of floats, row by row. */
public final class Matrix8x8Float {
    /** This class. */
    public static final Class<Matrix8x8Float> TYPE = Matrix8x8Float.class;

    /** The elements, row by row. */
    public final float[] values = new float[64];

    /** Makes a matrix of zeros. */
    public Matrix8x8Float() {}

    /**
     * Loads one element.
     *
     * @param row 0 to 7
     * @param col 0 to 7
     * @return the value
     */
    public float get(int row, int col) {
        return values[row * 8 + col];
    }

    /**
     * Stores one element.
     *
     * @param row 0 to 7
     * @param col 0 to 7
     * @param value the value
     */
    public void set(int row, int col, float value) {
        values[row * 8 + col] = value;
    }
}
