package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.AtomicAdd.Order;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;

/**
 * The items of a kernel whose CTAs take them one after the other, and in the end those that they have put off. Its first thread
 * does that, and tells the others through shared memory.
 *
 * <p>No counter is set back between runs: they count up in one run and down in the next. Which way is the highest bit of the
 * tickets; every CTA takes one ticket for which there is no item, and who takes the last of these turns the bit over.
 */
final class KvQueue {
    /** Bytes of shared memory. */
    static final int SHARED_BYTES = 16;
    /** No item. */
    static final int NONE = -1;

    private static final int ITEM = 0;
    private static final int AGAIN = 4;
    /** 1 in a run that counts down. */
    private static final int DOWN = 8;

    private static final int WORD = 4;
    private static final int NUMBER = 0x7FFFFFFF;

    private final KernelBuilder k;
    private final Reg tickets;
    private final Reg deferred;
    private final Reg items;
    private final Reg shared;
    /** Of the first thread: its next ticket, the bit of the run with it; {@link #NONE} if it has none. */
    private final Reg ticket;
    /** Of the first thread: the item put off last. */
    private final Reg list;

    /**
     * @param tickets address of a counter, 0 before the first run
     * @param deferred address of a word for each item
     * @param items their number
     * @param shared address of {@link #SHARED_BYTES}
     */
    KvQueue(KernelBuilder k, Reg tickets, Reg deferred, Reg items, Reg shared) {
        this.k = k;
        this.tickets = tickets;
        this.deferred = deferred;
        this.items = items;
        this.shared = shared;
        ticket = k.move(Type.U32, Imm.of(NONE));
        list = k.move(Type.U32, Imm.of(NONE));
    }

    /** The first thread takes its next ticket if it has none; {@link #announce} waits for it. */
    void take() {
        k.when(
                k.compare(Relation.EQ, Type.U32, ticket, Imm.of(NONE)),
                () -> k.atomicAdd(Order.RELAXED, ticket, Address.of(tickets), Imm.of(1)));
    }

    /** The first thread puts an item off. */
    void putOff(Reg item) {
        k.store(Space.GLOBAL, Type.U32, deferred(item), list);
        k.set(list, Type.U32, item);
    }

    /** The first thread tells the next item: that of the ticket, or, when there are no more, one that was put off. */
    Reg announce() {
        take();
        Reg item = k.and(ticket, NUMBER);
        Reg down = k.shr(ticket, 31);
        Reg again = k.compare(Relation.GE, Type.U32, item, items);
        k.whenElse(
                again,
                () -> {
                    Reg last = k.add(k.add(Type.U32, items, k.read(Special.NCTAID_X)), -1);
                    k.when(k.compare(Relation.EQ, Type.U32, item, last), () -> {
                        Reg turned = k.get(Operation.XOR, Type.B32, k.shl(down, 31), Imm.of(1 << 31));
                        k.store(Space.GLOBAL, Type.U32, Address.of(tickets), turned);
                    });
                    k.set(item, Type.U32, list);
                    k.when(
                            k.compare(Relation.NE, Type.U32, list, Imm.of(NONE)),
                            () -> k.set(list, Type.U32, k.load(Space.GLOBAL, Type.U32, deferred(list))));
                },
                () -> k.set(ticket, Type.U32, Imm.of(NONE)));
        k.store(Space.SHARED, Type.U32, at(ITEM), item);
        k.store(Space.SHARED, Type.U32, at(AGAIN), k.select(Type.U32, again, Imm.of(1), Imm.of(0)));
        k.store(Space.SHARED, Type.U32, at(DOWN), down);
        return item;
    }

    /** The item that was told; {@link #NONE} at the end. */
    Reg item() {
        return get(ITEM);
    }

    /** 1 if it is one that was put off, else 0. */
    Reg again() {
        return get(AGAIN);
    }

    /** The first thread counts in one of the counters of the run. */
    void count(Address counter) {
        k.atomicAdd(Order.RELEASE, k.reg(RegType.B32), counter, step());
    }

    /** The same, and whether {@code all} have been counted, this one too; what they have written is then visible. */
    Reg countLast(Address counter, Reg all) {
        Reg before = k.reg(RegType.B32);
        Reg step = step();
        k.atomicAdd(Order.ACQ_REL, before, counter, step);
        return k.compare(Relation.EQ, Type.U32, k.add(Type.U32, before, step), complete(all));
    }

    /** 1 up, -1 down. */
    private Reg step() {
        return k.sub(Type.U32, Imm.of(1), k.shl(get(DOWN), 1));
    }

    /** What a counter of the run says when all have been counted. */
    Reg complete(Reg all) {
        return k.mul(Type.U32, all, k.sub(Type.U32, Imm.of(1), get(DOWN)));
    }

    private Reg get(int word) {
        return k.load(Space.SHARED, Type.U32, at(word));
    }

    private Address at(int word) {
        return Address.of(shared).plus(word);
    }

    private Address deferred(Reg item) {
        return Address.of(k.index(deferred, item, WORD));
    }
}
