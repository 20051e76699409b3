package io.sage4j.ptx;

/**
 * What an instruction needs.
 *
 * @param version least PTX version times ten: 87 is 8.7
 * @param sm least compute capability times ten
 */
public record Requirement(int version, int sm) {
    /** What every GPU here has. */
    public static final Requirement BASE = new Requirement(70, 80);

    /** What both need. */
    public Requirement and(Requirement other) {
        return new Requirement(Math.max(version, other.version), Math.max(sm, other.sm));
    }
}
