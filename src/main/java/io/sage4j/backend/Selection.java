package io.sage4j.backend;

import io.sage4j.SageException;
import io.sage4j.plan.Refusal;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Where calls go: all to the backend that was asked for, or each to the fastest one that takes it. Thread-safe. A backend
 * is opened for the first call that it takes, and asked whether it can run here no sooner than a call comes.
 */
public final class Selection implements AutoCloseable {
    private static final String BY_NAME = "asked for by name";

    /**
     * Where a call goes.
     *
     * @param backend that takes it
     * @param reason why it and not a faster one
     */
    public record Route(AttentionBackend backend, String reason) {}

    /** A backend that calls may go to. */
    private final class Slot {
        private final Backends.Candidate candidate;
        private Optional<String> unavailable;
        private volatile BackendRules rules;
        private volatile AttentionBackend opened;

        Slot(Backends.Candidate candidate) {
            this.candidate = candidate;
        }

        /** Why it cannot run here; asked once. */
        Optional<String> unavailable() {
            if (opened != null) {
                return Optional.empty();
            }
            synchronized (Selection.this) {
                if (unavailable == null) {
                    unavailable = candidate.unavailable();
                }
                return unavailable;
            }
        }

        /** What it takes; it is started for that only if there is no other way. */
        BackendRules rules() {
            BackendRules known = rules;
            if (known != null) {
                return known;
            }
            if (candidate.rules() == null) {
                return open();
            }
            synchronized (Selection.this) {
                if (rules == null) {
                    rules = candidate.rules().get();
                }
                return rules;
            }
        }

        /** The backend; what keeps it from starting is an error, not a reason to take a slower one. */
        AttentionBackend open() {
            AttentionBackend backend = opened;
            if (backend != null) {
                return backend;
            }
            synchronized (Selection.this) {
                if (opened == null) {
                    requireOpen();
                    try {
                        opened = candidate.opener().get();
                    } catch (SageException e) {
                        throw new SageException(
                                e.getMessage() + " (starting backend " + candidate.name()
                                        + " for auto; to do without it open another one by name)",
                                e);
                    }
                }
                return opened;
            }
        }
    }

    /** The backend that was asked for by name; null by {@code auto}. */
    private final AttentionBackend named;

    /** Fastest first. */
    private final List<Slot> slots;

    private boolean closed;

    private Selection(AttentionBackend named, List<Backends.Candidate> candidates) {
        this.named = named;
        slots = candidates.stream().map(Slot::new).toList();
    }

    /** All calls go to one backend. */
    static Selection named(AttentionBackend backend) {
        return new Selection(backend, List.of());
    }

    /**
     * Each call goes to the first backend that takes it.
     *
     * @param candidates fastest first; those behind the first that can run are not asked about before a call wants them
     */
    static Selection auto(List<Backends.Candidate> candidates) {
        return new Selection(null, candidates);
    }

    /** What was asked for: a backend's name, or {@code auto}. */
    public String name() {
        return named == null ? Backends.AUTO : named.name();
    }

    /** Name of the fastest backend that can run here; it is not opened. */
    public String fastestName() {
        return named == null ? fastest().candidate.name() : named.name();
    }

    /** Why that one. */
    public String fastestReason() {
        if (named != null) {
            return BY_NAME;
        }
        Slot fastest = fastest();
        return reason(slots.subList(0, slots.indexOf(fastest)).stream()
                .map(this::whyUnavailable)
                .toList());
    }

    /** What the fastest backend that can run here takes; it is started for that only if there is no other way. */
    public BackendRules fastestRules() {
        return named == null ? fastest().rules() : named;
    }

    private Slot fastest() {
        return slots.stream()
                .filter(slot -> slot.unavailable().isEmpty())
                .findFirst()
                .orElseThrow(this::nothingRuns);
    }

    /** Throws if no backend can run here. */
    void requireAny() {
        fastest();
    }

    private SageException nothingRuns() {
        return new SageException("no backend can run here: "
                + slots.stream().map(this::whyUnavailable).collect(Collectors.joining(", ")));
    }

    private String whyUnavailable(Slot slot) {
        return "no " + slot.candidate.name() + " (" + slot.unavailable().orElseThrow() + ")";
    }

    private static String reason(List<String> passedBy) {
        return passedBy.isEmpty() ? "auto: the fastest" : "auto: " + String.join(", ", passedBy);
    }

    /**
     * Where a call goes. A backend that was asked for by name gets every call, and says itself what it does not take.
     *
     * @param requestOn the call as a backend would get it
     * @throws SageException if none takes it, with the reason of each; if the one to take does not start
     */
    public Route route(Function<BackendRules, AttentionRequest> requestOn) {
        if (named != null) {
            return new Route(named, BY_NAME);
        }
        List<String> passedBy = new ArrayList<>();
        boolean any = false;
        for (Slot slot : slots) {
            if (slot.unavailable().isPresent()) {
                passedBy.add(whyUnavailable(slot));
                continue;
            }
            any = true;
            BackendRules rules = slot.rules();
            Optional<Refusal> refusal = rules.refusal(requestOn.apply(rules));
            if (refusal.isEmpty()) {
                return new Route(slot.open(), reason(passedBy));
            }
            passedBy.add(refusal.get().why());
        }
        throw any ? new SageException("no backend takes this call: " + String.join("; ", passedBy)) : nothingRuns();
    }

    /** What follows "has no tensors in GPU memory" where there is no such backend; empty if there is one. */
    public Optional<String> whyNoDevice() {
        if (named != null) {
            return named instanceof DeviceBackend ? Optional.empty() : Optional.of("; open backend cuda");
        }
        return slots.stream().noneMatch(this::hasDevice)
                ? Optional.of(": "
                        + slots.stream()
                                .filter(slot -> slot.candidate.takesDevice())
                                .map(this::whyUnavailable)
                                .collect(Collectors.joining(", ")))
                : Optional.empty();
    }

    private boolean hasDevice(Slot slot) {
        return slot.candidate.takesDevice() && slot.unavailable().isEmpty();
    }

    /**
     * The backend that takes tensors in GPU memory.
     *
     * @throws SageException if there is none, with the reason
     */
    public DeviceBackend device() {
        whyNoDevice().ifPresent(why -> {
            throw new SageException("backend " + name() + " has no tensors in GPU memory" + why);
        });
        return (DeviceBackend)
                (named != null
                        ? named
                        : slots.stream()
                                .filter(this::hasDevice)
                                .findFirst()
                                .orElseThrow()
                                .open());
    }

    private void requireOpen() {
        if (closed) {
            throw new SageException("this Sage is closed; open a new one");
        }
    }

    /** Frees what the opened backends hold; no other is opened any more. Closing twice is harmless. */
    @Override
    public void close() {
        List<AttentionBackend> opened = new ArrayList<>();
        synchronized (this) {
            closed = true;
            if (named != null) {
                opened.add(named);
            }
            slots.stream()
                    .map(slot -> slot.opened)
                    .filter(backend -> backend != null)
                    .forEach(opened::add);
        }
        SageException failure = null;
        for (AttentionBackend backend : opened) {
            try {
                backend.close();
            } catch (SageException e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }
}
