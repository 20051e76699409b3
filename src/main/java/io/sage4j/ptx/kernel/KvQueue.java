package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;

/**
 * The items of a kernel whose CTAs take them one after the other, and in the end those that they have put off. Its first thread
 * does that, and tells the others through shared memory.
 */
final class KvQueue {
    /** Bytes of shared memory. */
    static final int SHARED_BYTES = 8;
    /** No item. */
    static final int NONE = -1;

    private static final int DRAINING = 4;
    private static final int WORD = 4;

    private final KernelBuilder k;
    private final Reg tickets;
    private final Reg deferred;
    private final Reg items;
    private final Reg shared;
    /** Of the first thread: its next item; {@link #NONE} at the start. */
    private final Reg ticket;
    /** Of the first thread: the item put off last. */
    private final Reg list;

    /**
     * @param tickets address of a counter, 0 at the start
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

    /** The first thread takes its next ticket; {@link #announce} waits for it. */
    void take() {
        k.atomicAdd(false, ticket, Address.of(tickets), Imm.of(1));
    }

    /** The first thread puts an item off. */
    void putOff(Reg item) {
        k.store(Space.GLOBAL, Type.U32, at(item), list);
        k.set(list, Type.U32, item);
    }

    /** The first thread tells the next item: that of the ticket, or, when there are no more, one that was put off. */
    void announce() {
        k.when(k.compare(Relation.EQ, Type.U32, ticket, Imm.of(NONE)), this::take);
        Reg item = k.move(Type.U32, ticket);
        Reg draining = k.compare(Relation.GE, Type.U32, item, items);
        k.when(draining, () -> {
            k.set(item, Type.U32, list);
            k.when(
                    k.compare(Relation.NE, Type.U32, list, Imm.of(NONE)),
                    () -> k.set(list, Type.U32, k.load(Space.GLOBAL, Type.U32, at(list))));
        });
        k.store(Space.SHARED, Type.U32, Address.of(shared), item);
        Reg flag = k.select(Type.U32, draining, Imm.of(1), Imm.of(0));
        k.store(Space.SHARED, Type.U32, Address.of(shared).plus(DRAINING), flag);
    }

    /** The item that was told; {@link #NONE} at the end. */
    Reg item() {
        return k.load(Space.SHARED, Type.U32, Address.of(shared));
    }

    /** Whether it is one that was put off. */
    Reg draining() {
        Reg flag = k.load(Space.SHARED, Type.U32, Address.of(shared).plus(DRAINING));
        return k.compare(Relation.NE, Type.U32, flag, Imm.of(0));
    }

    private Address at(Reg item) {
        return Address.of(k.index(deferred, item, WORD));
    }
}
