package io.sage4j.ptx;

import java.util.ArrayList;
import java.util.List;

/** A kernel with every operation, type and conversion of the emitter once, for the assembler. */
final class EveryInstruction {
    private EveryInstruction() {}

    static Kernel kernel(int sm) {
        KernelBuilder k = new KernelBuilder("every", 64);
        Reg out = k.param("out", Type.U64);
        SharedArray shared = k.shared("s", 1024, 128, false);
        Reg tid = k.read(Special.TID_X);
        for (Special special : Special.values()) {
            k.store(Space.GLOBAL, Type.U32, Address.of(out), k.read(special));
        }
        for (Operation operation : Operation.values()) {
            for (Type type : Type.values()) {
                if (operation.has(type) && (type != Type.U16X2 || sm >= Requirement.SM_90.sm())) {
                    List<Operand> from = new ArrayList<>();
                    for (int n = 0; n < operation.operands(); n++) {
                        from.add(value(k, operation.operand(type, n), out));
                    }
                    keep(k, out, k.get(operation, type, from.toArray(Operand[]::new)));
                }
            }
        }
        for (Conversion conversion : Conversion.values()) {
            if (conversion.requirement().sm() <= sm) {
                Operand[] from = conversion.from().stream()
                        .map(type -> value(k, type, out))
                        .toArray(Operand[]::new);
                keep(k, out, k.convert(conversion, from));
            }
        }
        for (Compare.Relation relation : Compare.Relation.values()) {
            for (Type type : List.of(Type.U32, Type.S32, Type.F32, Type.U64, Type.S64)) {
                Reg a = value(k, type.reg(), out);
                keep(k, out, k.select(type, k.compare(relation, type, a, value(k, type.reg(), out)), a, a));
            }
        }
        keep(k, out, k.pack(k.unpack(tid).get(1), k.unpack(tid).get(0)));
        memory(k, out, shared, tid);
        for (Shuffle.Mode mode : Shuffle.Mode.values()) {
            Reg to = k.reg(RegType.F32);
            k.emit(new Shuffle(mode, to, value(k, RegType.F32, out), Imm.of(1)));
            keep(k, out, to);
        }
        Reg any = k.reg(RegType.PRED);
        k.emit(new Vote(any, value(k, RegType.PRED, out)));
        keep(k, out, any);
        k.emit(new WarpBarrier());
        k.emit(new NamedBarrier(true, tid, 64));
        k.emit(new NamedBarrier(false, Imm.of(3), 64));
        if (sm >= Requirement.SM_90.sm()) {
            copies(k, out, k.read(shared));
        }
        k.range(
                Imm.of(0),
                tid,
                2,
                i -> k.whenElse(
                        k.compare(Compare.Relation.EQ, Type.U32, i, Imm.of(4)),
                        () -> keep(k, out, i),
                        () -> keep(k, out, tid)));
        k.exit();
        return k.build();
    }

    private static void copies(KernelBuilder k, Reg out, Reg shared) {
        Address barrier = Address.of(shared);
        k.emit(new Mbarrier(Mbarrier.Kind.INIT, barrier, Imm.of(2)));
        k.emit(new Fence(Fence.Kind.MBARRIER_INIT));
        k.emit(new Fence(Fence.Kind.PROXY_ASYNC));
        k.emit(new Mbarrier(Mbarrier.Kind.ARRIVE_EXPECT, barrier, Imm.of(32)));
        k.emit(new Mbarrier(Mbarrier.Kind.ARRIVE, barrier, null));
        k.emit(new BulkCopy(barrier.plus(16), Address.of(out), Imm.of(32), barrier));
        Reg done = k.reg(RegType.PRED);
        k.emit(new MbarrierTry(done, barrier, Imm.of(0)));
        for (GridDependency.Kind kind : GridDependency.Kind.values()) {
            k.emit(new GridDependency(kind));
        }
        keep(k, out, done);
        k.storeMatrix(barrier.plus(16), k.loadMatrix(4, barrier.plus(16)));
    }

    private static void memory(KernelBuilder k, Reg out, SharedArray shared, Reg tid) {
        Address to = Address.of(k.mad(Type.U32, tid, Imm.of(16), k.read(shared)));
        k.emit(new CopyAsync(to, Address.of(out), null));
        k.emit(new CopyAsync(to, Address.of(out), tid));
        k.emit(new CopyCommit());
        k.emit(new CopyWait(1));
        k.barrier();
        for (Type type : Type.values()) {
            for (int count = 1;
                    type != Type.PRED
                            && type != Type.F16X2
                            && type != Type.U16X2
                            && type != Type.BF16X2
                            && count * type.bytes() <= 16
                            && count <= 4;
                    count *= 2) {
                Type memory = type == Type.B32 ? Type.U32 : type;
                List<Reg> values = k.loadVector(Space.GLOBAL, memory, count, Address.of(out), true);
                k.store(Space.SHARED, memory, to, values.toArray(Operand[]::new));
                k.loadVector(Space.SHARED, memory, count, to, false).forEach(v -> keep(k, out, v));
            }
        }
        for (AtomicAdd.Order order : AtomicAdd.Order.values()) {
            Reg before = k.reg(RegType.B32);
            k.atomicAdd(order, before, Address.of(out), tid);
            keep(k, out, before);
        }
        keep(k, out, k.loadAcquire(Address.of(out)));
        for (int count = 1; count <= 4; count *= 2) {
            List<Reg> plain = k.loadMatrix(count, to);
            List<Reg> transposed = k.regs(RegType.B32, count);
            k.emit(new LoadMatrix(transposed, true, to));
            plain.forEach(v -> keep(k, out, v));
            transposed.forEach(v -> keep(k, out, v));
        }
    }

    private static Reg value(KernelBuilder k, RegType type, Reg from) {
        return switch (type) {
            case PRED -> k.compare(Compare.Relation.EQ, Type.U32, value(k, RegType.B32, from), Imm.of(0));
            case B16 -> k.load(Space.GLOBAL, Type.B16, Address.of(from));
            case B32 -> k.load(Space.GLOBAL, Type.U32, Address.of(from));
            case B64 -> k.load(Space.GLOBAL, Type.U64, Address.of(from));
            case F32 -> k.load(Space.GLOBAL, Type.F32, Address.of(from));
        };
    }

    private static void keep(KernelBuilder k, Reg out, Reg value) {
        switch (value.type()) {
            case PRED -> k.guarded(value, () -> k.store(Space.GLOBAL, Type.U32, Address.of(out), Imm.of(1)));
            case B16 -> k.store(Space.GLOBAL, Type.B16, Address.of(out), value);
            case B32 -> k.store(Space.GLOBAL, Type.U32, Address.of(out), value);
            case B64 -> k.store(Space.GLOBAL, Type.U64, Address.of(out), value);
            case F32 -> k.store(Space.GLOBAL, Type.F32, Address.of(out), value);
        }
    }
}
