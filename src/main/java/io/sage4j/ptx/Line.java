package io.sage4j.ptx;

/**
 * An instruction with its guard.
 *
 * @param guard predicate, or null for always
 * @param negated whether it runs where the predicate is false
 * @param instruction what runs
 */
public record Line(Reg guard, boolean negated, Instruction instruction) {
    @Override
    public String toString() {
        String text = instruction.text();
        return guard == null ? text : "@" + (negated ? "!" : "") + guard + " " + text;
    }
}
