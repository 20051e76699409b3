package io.sage4j.ptx;

import io.sage4j.ptx.Compare.Relation;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/**
 * Writes a kernel instruction by instruction. Methods that compute return a new register; those named {@code set...},
 * and those whose first parameter is called {@code to}, write an existing one.
 *
 * <pre>{@code
 * KernelBuilder k = new KernelBuilder("axpy", 128);
 * Reg x = k.param("x", Type.U64);
 * Reg n = k.param("n", Type.U32);
 * Reg i = k.mad(Type.U32, k.read(Special.CTAID_X), Imm.of(128), k.read(Special.TID_X));
 * k.when(k.compare(Relation.LT, Type.U32, i, n), () -> {
 *     Address at = Address.of(k.index(x, i, 4));
 *     k.store(Space.GLOBAL, Type.F32, at, k.fma(k.load(Space.GLOBAL, Type.F32, at), Imm.of(2f), Imm.of(1f)));
 * });
 * Kernel kernel = k.build();
 * }</pre>
 */
public final class KernelBuilder {
    private final String name;
    private final int maxThreads;
    private int minBlocks;
    private final List<Param> params = new ArrayList<>();
    private final List<SharedArray> shared = new ArrayList<>();
    private final List<Line> lines = new ArrayList<>();
    private final Map<RegType, Integer> registers = new EnumMap<>(RegType.class);
    private Reg guard;
    private boolean guardNegated;
    private int labels;

    /** A kernel for CTAs of exactly so many threads. */
    public KernelBuilder(String name, int maxThreads) {
        this.name = name;
        this.maxThreads = maxThreads;
    }

    /** Bounds the registers so that so many CTAs fit on a multiprocessor. */
    public KernelBuilder minBlocks(int blocks) {
        minBlocks = blocks;
        return this;
    }

    /** The finished kernel. */
    public Kernel build() {
        return new Kernel(name, params, shared, lines, maxThreads, minBlocks);
    }

    // ---- declarations ----

    /** Declares a parameter and loads it. */
    public Reg param(String parameter, Type type) {
        Param param = new Param(name + "_" + parameter, type);
        params.add(param);
        return load(Space.PARAM, type, Address.of(param));
    }

    /** A shared array; past {@link SharedArray#STATIC_LIMIT} it must be {@code dynamic}. */
    public SharedArray shared(String array, int bytes, int align, boolean dynamic) {
        SharedArray declared = new SharedArray(name + "_" + array, bytes, align, dynamic);
        shared.add(declared);
        return declared;
    }

    /** A new register. */
    public Reg reg(RegType type) {
        return new Reg(type, registers.merge(type, 1, Integer::sum) - 1);
    }

    /** New registers. */
    public List<Reg> regs(RegType type, int count) {
        return IntStream.range(0, count).mapToObj(n -> reg(type)).toList();
    }

    /** Appends an instruction, under the guard in force. */
    public void emit(Instruction instruction) {
        lines.add(new Line(guard, guardNegated, instruction));
    }

    // ---- arithmetic ----

    /** {@code to = operation(from)}. */
    public void set(Reg to, Operation operation, Type type, Operand... from) {
        emit(new Arithmetic(operation, type, to, List.of(from)));
    }

    /** {@code operation(from)}. */
    public Reg get(Operation operation, Type type, Operand... from) {
        Reg to = reg(operation.result(type));
        set(to, operation, type, from);
        return to;
    }

    /** a + b. */
    public Reg add(Type type, Operand a, Operand b) {
        return get(Operation.ADD, type, a, b);
    }

    /** a + b, unsigned. */
    public Reg add(Reg a, int b) {
        return b == 0 ? a : get(Operation.ADD, Type.U32, a, Imm.of(b));
    }

    /** a - b. */
    public Reg sub(Type type, Operand a, Operand b) {
        return get(Operation.SUB, type, a, b);
    }

    /** a * b. */
    public Reg mul(Type type, Operand a, Operand b) {
        return get(Operation.MUL, type, a, b);
    }

    /** a / b. */
    public Reg div(Type type, Operand a, Operand b) {
        return get(Operation.DIV, type, a, b);
    }

    /** a * b + c, low half. */
    public Reg mad(Type type, Operand a, Operand b, Operand c) {
        return get(Operation.MAD, type, a, b, c);
    }

    /** a * b + c in FP32, rounded once. */
    public Reg fma(Operand a, Operand b, Operand c) {
        return get(Operation.FMA, Type.F32, a, b, c);
    }

    /** Smaller one. */
    public Reg min(Type type, Operand a, Operand b) {
        return get(Operation.MIN, type, a, b);
    }

    /** Larger one. */
    public Reg max(Type type, Operand a, Operand b) {
        return get(Operation.MAX, type, a, b);
    }

    /** Bitwise and. */
    public Reg and(Reg a, int b) {
        return get(Operation.AND, Type.B32, a, Imm.of(b));
    }

    /** Both predicates. */
    public Reg and(Reg a, Reg b) {
        return get(Operation.AND, Type.PRED, a, b);
    }

    /** Bitwise exclusive or. */
    public Reg xor(Reg a, Operand b) {
        return get(Operation.XOR, Type.B32, a, b);
    }

    /** a &lt;&lt; b. */
    public Reg shl(Reg a, int b) {
        return get(Operation.SHL, Type.B32, a, Imm.of(b));
    }

    /** a &gt;&gt;&gt; b. */
    public Reg shr(Reg a, int b) {
        return get(Operation.SHR, Type.U32, a, Imm.of(b));
    }

    /** Address of element {@code index} (unsigned 32 bits) of {@code bytes} bytes behind a 64-bit base. */
    public Reg index(Reg base, Reg index, int bytes) {
        return get(Operation.MAD_WIDE, Type.U32, index, Imm.of(bytes), base);
    }

    /** {@code a * b + c} with a 32-bit unsigned {@code a}, all else 64-bit. */
    public Reg mad64(Reg a, Reg b, Reg c) {
        Reg wide = convert(Conversion.U64_FROM_U32, a);
        return add(Type.U64, mul(Type.U64, wide, b), c);
    }

    /** Predicate. */
    public Reg compare(Relation relation, Type type, Operand a, Operand b) {
        Reg to = reg(RegType.PRED);
        emit(new Compare(relation, type, to, a, b));
        return to;
    }

    /** {@code predicate ? a : b}. */
    public Reg select(Type type, Reg predicate, Operand a, Operand b) {
        Reg to = reg(type.reg());
        emit(new Select(type, to, a, b, predicate));
        return to;
    }

    /** A conversion. */
    public Reg convert(Conversion conversion, Operand... from) {
        Reg to = reg(conversion.to());
        emit(new Convert(conversion, to, List.of(from)));
        return to;
    }

    /** A new register with a value. */
    public Reg move(Type type, Operand from) {
        Reg to = reg(type.reg());
        emit(new Move(type, to, from));
        return to;
    }

    /** {@code to = from}. */
    public void set(Reg to, Type type, Operand from) {
        emit(new Move(type, to, from));
    }

    /** Value of a special register, or address of a shared array. */
    public Reg read(Operand special) {
        return move(Type.U32, special);
    }

    /** The float that 32 bits are. */
    public Reg floating(Reg bits) {
        Reg to = reg(RegType.F32);
        emit(new Move(Type.B32, to, bits));
        return to;
    }

    /** The bits of a float. */
    public Reg bits(Reg floating) {
        return move(Type.B32, floating);
    }

    /** Two 16-bit values in 32 bits. */
    public Reg pack(Operand low, Operand high) {
        Reg to = reg(RegType.B32);
        emit(new Pack(to, low, high));
        return to;
    }

    /** Low and high half of 32 bits. */
    public List<Reg> unpack(Reg from) {
        List<Reg> halves = regs(RegType.B16, 2);
        emit(new Unpack(halves.get(0), halves.get(1), from));
        return halves;
    }

    // ---- memory and warp ----

    /** Loads one value. */
    public Reg load(Space space, Type type, Address from) {
        return loadVector(space, type, 1, from, false).get(0);
    }

    /** Loads one value of global memory that nothing writes meanwhile. */
    public Reg loadReadOnly(Type type, Address from) {
        return loadVector(Space.GLOBAL, type, 1, from, true).get(0);
    }

    /** Loads 1, 2 or 4 values of global memory that nothing writes meanwhile into registers that are there. */
    public void loadReadOnly(Type type, List<Reg> to, Address from) {
        emit(new Load(Space.GLOBAL, type, true, to, from));
    }

    /** Loads 1, 2 or 4 values. */
    public List<Reg> loadVector(Space space, Type type, int count, Address from, boolean readOnly) {
        List<Reg> to = regs(type.reg(), count);
        emit(new Load(space, type, readOnly, to, from));
        return to;
    }

    /** Stores 1, 2 or 4 values. */
    public void store(Space space, Type type, Address to, Operand... from) {
        emit(new Store(space, type, to, List.of(from)));
    }

    /** Loads a number of global memory that another CTA may write meanwhile, and sees what that one wrote before. */
    public Reg loadAcquire(Address from) {
        Reg to = reg(RegType.B32);
        emit(new LoadAcquire(to, from));
        return to;
    }

    /** {@code to} becomes what a number of global memory was before {@code value} is added; see {@link AtomicAdd}. */
    public void atomicAdd(AtomicAdd.Order order, Reg to, Address at, Operand value) {
        emit(new AtomicAdd(order, to, at, value));
    }

    /** Loads matrices of 8 rows of 16 bytes. */
    public List<Reg> loadMatrix(int count, Address from) {
        List<Reg> to = regs(RegType.B32, count);
        emit(new LoadMatrix(to, false, from));
        return to;
    }

    /** Stores 4 matrices of 8 rows of 16 bytes. */
    public void storeMatrix(Address to, List<Reg> from) {
        emit(new StoreMatrix(to, from));
    }

    /** The value of the lane whose number differs in the bits of {@code mask}. */
    public Reg shuffleXor(Reg value, int mask) {
        Reg to = reg(value.type());
        emit(new Shuffle(Shuffle.Mode.BFLY, to, value, Imm.of(mask)));
        return to;
    }

    /** Multiply-accumulate into {@code d}, adding {@code c}. */
    public void mma(MmaShape shape, List<Reg> d, List<Reg> a, List<Reg> b, List<? extends Operand> c) {
        emit(new Mma(shape, d, a, b, c));
    }

    /** Barrier 0 of the CTA. */
    public void barrier() {
        emit(new Barrier(0));
    }

    // ---- control ----

    /** Predicates what {@code body} emits; it may hold no guard and no control flow of its own. */
    public void guarded(Reg predicate, Runnable body) {
        guarded(predicate, false, body);
    }

    /** Predicates what {@code body} emits with the opposite. */
    public void guardedNot(Reg predicate, Runnable body) {
        guarded(predicate, true, body);
    }

    private void guarded(Reg predicate, boolean negated, Runnable body) {
        requireNoGuard();
        Instruction.require("guard", predicate, RegType.PRED);
        guard = predicate;
        guardNegated = negated;
        body.run();
        guard = null;
        guardNegated = false;
    }

    private void requireNoGuard() {
        if (guard != null) {
            throw new IllegalStateException(name + ": control flow or a guard inside a guard");
        }
    }

    private Label label(String purpose) {
        requireNoGuard();
        return new Label("$" + purpose + labels++);
    }

    private void mark(Label label) {
        emit(new Mark(label));
    }

    private void branch(Label target, Reg predicate, boolean negated) {
        lines.add(new Line(predicate, negated, new Branch(target, false)));
    }

    /** Runs {@code body} where the predicate is true; the others jump over it. */
    public void when(Reg predicate, Runnable body) {
        Label end = label("skip");
        branch(end, predicate, true);
        body.run();
        mark(end);
    }

    /** Runs one of the two. */
    public void whenElse(Reg predicate, Runnable body, Runnable otherwise) {
        Label other = label("else");
        Label end = label("end");
        branch(other, predicate, true);
        body.run();
        branch(end, null, false);
        mark(other);
        otherwise.run();
        mark(end);
    }

    /** Runs {@code body} again and again while the condition holds; the condition is emitted before and behind it. */
    public void loop(Supplier<Reg> condition, Runnable body) {
        Label end = label("done");
        Label start = label("loop");
        branch(end, condition.get(), true);
        mark(start);
        body.run();
        branch(start, condition.get(), false);
        mark(end);
    }

    /** Emits the condition once, and runs it again and again until it is false. */
    public void repeatWhile(Supplier<Reg> condition) {
        Label start = label("again");
        mark(start);
        branch(start, condition.get(), false);
    }

    /** {@code for (i = from; i < to; i += step)}, signed. */
    public void range(Operand from, Operand to, int step, Consumer<Reg> body) {
        Reg i = move(Type.S32, from);
        loop(() -> compare(Relation.LT, Type.S32, i, to), () -> {
            body.accept(i);
            set(i, Operation.ADD, Type.S32, i, Imm.of(step));
        });
    }

    /** The thread ends here. */
    public void exit() {
        emit(new Return());
    }
}
