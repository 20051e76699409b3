package io.sage4j.ptx;

/**
 * Target of a branch.
 *
 * @param name unique in the kernel
 */
public record Label(String name) {
    @Override
    public String toString() {
        return name;
    }
}
