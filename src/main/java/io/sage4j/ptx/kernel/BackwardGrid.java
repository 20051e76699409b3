package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;

/**
 * What a CTA of a grid (parts of a head, heads) takes, where the CTAs, in the order in which they start, go from the last
 * part of all heads to the first one. A kernel that has just gone through all heads from their first token on has left
 * the last tokens in L2.
 *
 * @param head head
 * @param part part of the head
 */
record BackwardGrid(Reg head, Reg part) {
    static BackwardGrid of(KernelBuilder k) {
        Reg parts = k.read(Special.NCTAID_X);
        Reg heads = k.read(Special.NCTAID_Y);
        Reg number = k.mad(Type.U32, k.read(Special.CTAID_Y), parts, k.read(Special.CTAID_X));
        Reg fromLast = k.div(Type.U32, number, heads);
        Reg head = k.get(Operation.REM, Type.U32, number, heads);
        return new BackwardGrid(head, k.sub(Type.U32, k.sub(Type.U32, parts, Imm.of(1)), fromLast));
    }
}
