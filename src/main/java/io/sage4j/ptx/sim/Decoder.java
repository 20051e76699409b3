package io.sage4j.ptx.sim;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Arithmetic;
import io.sage4j.ptx.AtomicAdd;
import io.sage4j.ptx.Compare;
import io.sage4j.ptx.Convert;
import io.sage4j.ptx.CopyAsync;
import io.sage4j.ptx.CopyCommit;
import io.sage4j.ptx.CopyWait;
import io.sage4j.ptx.GridDependency;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Instruction;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.Load;
import io.sage4j.ptx.LoadAcquire;
import io.sage4j.ptx.LoadMatrix;
import io.sage4j.ptx.Mma;
import io.sage4j.ptx.Move;
import io.sage4j.ptx.NamedBarrier;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Pack;
import io.sage4j.ptx.Param;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Requirement;
import io.sage4j.ptx.Select;
import io.sage4j.ptx.SharedArray;
import io.sage4j.ptx.Shuffle;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Store;
import io.sage4j.ptx.Type;
import io.sage4j.ptx.Unpack;
import io.sage4j.ptx.Vote;
import io.sage4j.ptx.WarpBarrier;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Turns instructions into {@link Step}s, once per launch. */
final class Decoder {
    private static final int MATRIX_ROW = 16;
    private static final int MATRIX_ROWS = 8;

    /** Value of an operand in a lane. */
    private interface Source {
        long of(Warp warp, int lane);
    }

    private interface LaneAction {
        void at(int lane);
    }

    private final GlobalMemory global;
    private final Map<Param, Long> arguments;
    private final Statistics statistics;
    private final Map<RegType, Integer> firstRegister = new EnumMap<>(RegType.class);
    private final Map<SharedArray, Long> sharedAddresses = new HashMap<>();
    private final int registerCount;

    Decoder(Kernel kernel, GlobalMemory global, Map<Param, Long> arguments, Statistics statistics) {
        this.global = global;
        this.arguments = arguments;
        this.statistics = statistics;
        int count = 0;
        for (Map.Entry<RegType, Integer> entry : kernel.registers().entrySet()) {
            firstRegister.put(entry.getKey(), count);
            count += entry.getValue();
        }
        registerCount = count;
        long at = SharedMemory.BASE;
        for (SharedArray array : kernel.shared()) {
            at = Math.ceilDiv(at, array.align()) * array.align();
            sharedAddresses.put(array, at);
            at += array.bytes();
        }
    }

    int registerCount() {
        return registerCount;
    }

    int register(Reg reg) {
        return firstRegister.get(reg.type()) + reg.index();
    }

    Step decode(Instruction i) {
        if (i instanceof Arithmetic a) {
            return lanewise(a.to(), a.from(), Alu.of(a.operation(), a.type()));
        } else if (i instanceof Convert c) {
            return lanewise(c.to(), c.from(), Alu.of(c.conversion()));
        } else if (i instanceof Compare c) {
            return lanewise(c.to(), List.of(c.a(), c.b()), Alu.of(c.relation(), c.type()));
        } else if (i instanceof Select s) {
            return lanewise(s.to(), List.of(s.a(), s.b(), s.predicate()), (a, b, p) -> p != 0 ? a : b);
        } else if (i instanceof Move m) {
            return lanewise(m.to(), List.of(m.from()), (a, b, c) -> a);
        } else if (i instanceof Pack p) {
            return lanewise(p.to(), List.of(p.low(), p.high()), (a, b, c) -> b << 16 | a);
        } else if (i instanceof Unpack u) {
            Step low = lanewise(u.low(), List.of(u.from()), (a, b, c) -> a & 0xFFFF);
            Step high = lanewise(u.high(), List.of(u.from()), (a, b, c) -> a >>> 16);
            return (warp, mask) -> {
                low.run(warp, mask);
                high.run(warp, mask);
            };
        } else if (i instanceof Load l) {
            return load(l);
        } else if (i instanceof LoadAcquire l) {
            return load(new Load(Space.GLOBAL, Type.U32, false, List.of(l.to()), l.from()));
        } else if (i instanceof AtomicAdd a) {
            return atomicAdd(a);
        } else if (i instanceof Store s) {
            return store(s);
        } else if (i instanceof Shuffle s) {
            return shuffle(s);
        } else if (i instanceof Vote v) {
            return vote(v);
        } else if (i instanceof LoadMatrix l) {
            return loadMatrix(l);
        } else if (i instanceof Mma m) {
            return mma(m);
        } else if (i instanceof CopyAsync c) {
            return copy(c);
        } else if (i instanceof CopyCommit) {
            return Warp::commit;
        } else if (i instanceof CopyWait w) {
            return (warp, mask) -> warp.await(mask, w.pending());
        } else if (i instanceof GridDependency) {
            // One kernel runs after the other here.
            return (warp, mask) -> {};
        } else if (i instanceof WarpBarrier) {
            return (warp, mask) -> requireAllLanes(mask);
        } else if (i.requirement().sm() >= Requirement.SM_90.sm() || i instanceof NamedBarrier) {
            throw new SimulationException("the interpreter has no " + i.opcode());
        }
        return null;
    }

    private Source source(Operand operand, RegType as) {
        if (operand instanceof Reg reg) {
            int index = register(reg);
            return (warp, lane) -> warp.get(index, lane);
        } else if (operand instanceof Imm imm) {
            long value = as == RegType.B64 && imm.type() == RegType.B32 ? (int) imm.bits() : imm.bits();
            return (warp, lane) -> value;
        } else if (operand instanceof SharedArray array) {
            long address = sharedAddresses.get(array);
            return (warp, lane) -> address;
        } else if (operand instanceof Param param) {
            long value = arguments.get(param);
            return (warp, lane) -> value;
        }
        return special((Special) operand);
    }

    private static Source special(Special special) {
        return switch (special) {
            case TID_X -> (warp, lane) -> warp.id * Warp.LANES + lane;
            case CTAID_X -> (warp, lane) -> warp.cta[0];
            case CTAID_Y -> (warp, lane) -> warp.cta[1];
            case CTAID_Z -> (warp, lane) -> warp.cta[2];
            case NCTAID_X -> (warp, lane) -> warp.grid[0];
            case NCTAID_Y -> (warp, lane) -> warp.grid[1];
            case NCTAID_Z -> (warp, lane) -> warp.grid[2];
        };
    }

    private Source address(Address address) {
        Source base = source(address.base(), address.base().type());
        int offset = address.offset();
        return (warp, lane) -> base.of(warp, lane) + offset;
    }

    private static void each(Warp warp, int mask, LaneAction action) {
        for (int lane = 0; lane < Warp.LANES; lane++) {
            if ((mask >>> lane & 1) != 0) {
                warp.lane = lane;
                action.at(lane);
            }
        }
        warp.lane = -1;
    }

    private Step lanewise(Reg to, List<Operand> from, Alu.LaneFunction f) {
        int result = register(to);
        RegType as = to.type() == RegType.PRED && from.get(0).type() == RegType.B64 ? RegType.B64 : to.type();
        Source none = (warp, lane) -> 0;
        Source a = source(from.get(0), as);
        Source b = from.size() > 1 ? source(from.get(1), as) : none;
        Source c = from.size() > 2 ? source(from.get(2), as) : none;
        return (warp, mask) -> {
            for (int lane = 0; lane < Warp.LANES; lane++) {
                if ((mask >>> lane & 1) != 0) {
                    warp.set(result, lane, f.of(a.of(warp, lane), b.of(warp, lane), c.of(warp, lane)));
                }
            }
        };
    }

    private static void requireAligned(long address, int bytes) {
        if (address % bytes != 0) {
            throw new Fault(String.format("address 0x%x is not aligned to %d bytes", address, bytes));
        }
    }

    private long[] addresses(Source address, Warp warp, int mask, int align) {
        long[] all = new long[Warp.LANES];
        each(warp, mask, lane -> {
            all[lane] = address.of(warp, lane);
            requireAligned(all[lane], align);
        });
        return all;
    }

    private void countBanks(Warp warp, long[] addresses, int mask, int bytes) {
        statistics.access(warp.line, Banks.passes(addresses, mask, bytes), Banks.ideal(mask, bytes));
    }

    private Step load(Load load) {
        Source address = address(load.from());
        int bytes = load.type().bytes();
        boolean signed = load.type().isSigned() && bytes < 4;
        int count = load.to().size();
        int[] to = load.to().stream().mapToInt(this::register).toArray();
        if (load.space() == Space.PARAM) {
            return (warp, mask) -> each(warp, mask, lane -> warp.set(to[0], lane, address.of(warp, lane)));
        }
        boolean isShared = load.space() == Space.SHARED;
        return (warp, mask) -> {
            long[] at = addresses(address, warp, mask, count * bytes);
            if (isShared) {
                countBanks(warp, at, mask, count * bytes);
            }
            each(warp, mask, lane -> {
                for (int n = 0; n < count; n++) {
                    long from = at[lane] + n * bytes;
                    long value = isShared ? warp.shared.read(warp.id, from, bytes) : global.read(from, bytes);
                    warp.set(to[n], lane, signed ? (byte) value & 0xFFFFFFFFL : value);
                }
            });
        };
    }

    private Step store(Store store) {
        Source address = address(store.to());
        int bytes = store.type().bytes();
        List<Source> from =
                store.from().stream().map(o -> source(o, store.type().reg())).toList();
        boolean isShared = store.space() == Space.SHARED;
        return (warp, mask) -> {
            long[] at = addresses(address, warp, mask, from.size() * bytes);
            if (isShared) {
                countBanks(warp, at, mask, from.size() * bytes);
            }
            each(warp, mask, lane -> {
                for (int n = 0; n < from.size(); n++) {
                    long value = from.get(n).of(warp, lane);
                    if (isShared) {
                        warp.shared.write(warp.id, at[lane] + n * bytes, bytes, value);
                    } else {
                        global.write(at[lane] + n * bytes, bytes, value);
                    }
                }
            });
        };
    }

    private Step atomicAdd(AtomicAdd add) {
        Source address = address(add.at());
        Source value = source(add.value(), RegType.B32);
        int to = register(add.to());
        return (warp, mask) -> {
            long[] at = addresses(address, warp, mask, Integer.BYTES);
            each(warp, mask, lane -> {
                long before = global.read(at[lane], Integer.BYTES);
                global.write(at[lane], Integer.BYTES, before + value.of(warp, lane));
                warp.set(to, lane, before);
            });
        };
    }

    private static void requireAllLanes(int mask) {
        if (mask != Warp.ALL) {
            throw new Fault(String.format("all 32 lanes must take part, only those of 0x%08x do", mask));
        }
    }

    private Step shuffle(Shuffle shuffle) {
        int to = register(shuffle.to());
        Source value = source(shuffle.value(), RegType.B32);
        Source by = source(shuffle.lane(), RegType.B32);
        return (warp, mask) -> {
            requireAllLanes(mask);
            long[] offered = new long[Warp.LANES];
            each(warp, mask, lane -> offered[lane] = value.of(warp, lane));
            each(warp, mask, lane -> {
                int named = (int) by.of(warp, lane);
                int from =
                        switch (shuffle.mode()) {
                            case IDX -> named & 31;
                            case BFLY -> lane ^ named & 31;
                            case DOWN -> lane + (named & 31) > 31 ? lane : lane + (named & 31);
                        };
                warp.set(to, lane, offered[from]);
            });
        };
    }

    private Step vote(Vote vote) {
        int any = register(vote.any());
        Source predicate = source(vote.predicate(), RegType.PRED);
        return (warp, mask) -> {
            requireAllLanes(mask);
            long[] found = new long[1];
            each(warp, mask, lane -> found[0] |= predicate.of(warp, lane));
            each(warp, mask, lane -> warp.set(any, lane, found[0]));
        };
    }

    private Step loadMatrix(LoadMatrix load) {
        Source address = address(load.from());
        int[] to = load.to().stream().mapToInt(this::register).toArray();
        int rows = to.length * MATRIX_ROWS;
        return (warp, mask) -> {
            requireAllLanes(mask);
            int used = rows == Warp.LANES ? Warp.ALL : (1 << rows) - 1;
            long[] at = addresses(address, warp, used, MATRIX_ROW);
            countBanks(warp, at, used, MATRIX_ROW);
            for (int matrix = 0; matrix < to.length; matrix++) {
                int first = matrix * MATRIX_ROWS;
                for (int lane = 0; lane < Warp.LANES; lane++) {
                    warp.lane = load.transposed() ? -1 : first + lane / 4;
                    long value;
                    if (load.transposed()) {
                        long low = warp.shared.read(warp.id, at[first + lane % 4 * 2] + lane / 4 * 2, 2);
                        long high = warp.shared.read(warp.id, at[first + lane % 4 * 2 + 1] + lane / 4 * 2, 2);
                        value = high << 16 | low;
                    } else {
                        value = warp.shared.read(warp.id, at[first + lane / 4] + lane % 4 * 4, 4);
                    }
                    warp.set(to[matrix], lane, value);
                }
            }
            warp.lane = -1;
        };
    }

    private Step mma(Mma mma) {
        MmaModel model = new MmaModel(mma.shape());
        List<Source> a = sources(mma.a(), RegType.B32);
        List<Source> b = sources(mma.b(), RegType.B32);
        List<Source> c = sources(mma.c(), mma.shape().accumulator());
        int[] to = mma.d().stream().mapToInt(this::register).toArray();
        return (warp, mask) -> {
            requireAllLanes(mask);
            long[][] d = model.apply(values(warp, a), values(warp, b), values(warp, c));
            for (int r = 0; r < to.length; r++) {
                for (int lane = 0; lane < Warp.LANES; lane++) {
                    warp.set(to[r], lane, d[r][lane]);
                }
            }
        };
    }

    private List<Source> sources(List<? extends Operand> operands, RegType as) {
        List<Source> sources = new ArrayList<>();
        operands.forEach(o -> sources.add(source(o, as)));
        return sources;
    }

    private static long[][] values(Warp warp, List<Source> sources) {
        long[][] values = new long[sources.size()][Warp.LANES];
        for (int r = 0; r < values.length; r++) {
            for (int lane = 0; lane < Warp.LANES; lane++) {
                values[r][lane] = sources.get(r).of(warp, lane);
            }
        }
        return values;
    }

    private Step copy(CopyAsync copy) {
        Source to = address(copy.to());
        Source from = address(copy.from());
        Source valid = source(copy.valid() == null ? Imm.of(CopyAsync.BYTES) : copy.valid(), RegType.B32);
        return (warp, mask) -> {
            long[] target = addresses(to, warp, mask, CopyAsync.BYTES);
            long[] origin = addresses(from, warp, mask, CopyAsync.BYTES);
            countBanks(warp, target, mask, CopyAsync.BYTES);
            each(warp, mask, lane -> {
                byte[] bytes = new byte[CopyAsync.BYTES];
                long count = Math.min(CopyAsync.BYTES, valid.of(warp, lane));
                for (int n = 0; n < count; n++) {
                    bytes[n] = (byte) global.read(origin[lane] + n, 1);
                }
                warp.startCopy(lane, target[lane], bytes);
            });
        };
    }
}
