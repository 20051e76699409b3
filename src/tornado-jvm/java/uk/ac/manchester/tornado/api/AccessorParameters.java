package uk.ac.manchester.tornado.api;

import uk.ac.manchester.tornado.api.common.Access;

/** Arguments of a prebuilt kernel, which tornado-jvm cannot run; kept so that programs link. */
public class AccessorParameters {
    private final PairAccessor[] accessors;

    /**
     * One argument.
     *
     * @param object the argument
     * @param access how the kernel uses it
     */
    public record PairAccessor(Object object, Access access) {}

    /**
     * Makes an empty list.
     *
     * @param numParameters number of arguments
     */
    public AccessorParameters(int numParameters) {
        accessors = new PairAccessor[numParameters];
    }

    /**
     * Sets an argument.
     *
     * @param index its place
     * @param object the argument
     * @param access how the kernel uses it
     */
    public void set(int index, Object object, Access access) {
        accessors[index] = new PairAccessor(object, access);
    }

    /**
     * Number of arguments.
     *
     * @return as given to the constructor
     */
    public int numAccessors() {
        return accessors.length;
    }

    /**
     * An argument.
     *
     * @param index its place
     * @return the argument
     */
    public PairAccessor getAccessor(int index) {
        return accessors[index];
    }
}
