package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.AttentionResult.NumericReport;
import io.sage4j.SageException;
import io.sage4j.plan.Refusal;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Which backend {@code auto} takes, what it says, and what it leaves alone, with backends that compute nothing. */
class SelectionTest {
    private final List<String> events = new ArrayList<>();

    /** A backend that is there or not, and takes calls or not. */
    private final class Fake implements AttentionBackend {
        private final String name;
        private final boolean takes;

        Fake(String name, boolean takes) {
            this.name = name;
            this.takes = takes;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public Optional<Refusal> refusal(AttentionRequest request) {
            note("ask " + name);
            return takes ? Optional.empty() : Optional.of(new Refusal("backend " + name + " does not like it", "beg"));
        }

        @Override
        public Execution attend(AttentionRequest request) {
            return new Execution(List.of(), NumericReport.NOT_COUNTED, "");
        }

        @Override
        public void close() {
            note("close " + name);
        }
    }

    private synchronized void note(String event) {
        events.add(event);
    }

    private Backends.Candidate candidate(String name, boolean isHere, boolean takes) {
        return new Backends.Candidate(
                name,
                () -> {
                    note("look for " + name);
                    return isHere ? Optional.empty() : Optional.of("it is away");
                },
                "a fake",
                false,
                null,
                () -> {
                    note("open " + name);
                    return new Fake(name, takes);
                });
    }

    /** Every pattern of who is here and who takes the call. */
    @Test
    void theFirstThatIsHereAndTakesTheCall() {
        int count = 3;
        for (int pattern = 0; pattern < 1 << 2 * count; pattern++) {
            int p = pattern;
            events.clear();
            List<String> passedBy = new ArrayList<>();
            List<String> expected = new ArrayList<>();
            String taken = null;
            boolean any = false;
            for (int n = 0; n < count && taken == null; n++) {
                boolean isHere = isSet(p, n);
                expected.add("look for b" + n);
                if (isHere) {
                    any = true;
                    expected.addAll(List.of("open b" + n, "ask b" + n));
                }
                if (isHere && isSet(p, count + n)) {
                    taken = "b" + n;
                } else {
                    passedBy.add(isHere ? "backend b" + n + " does not like it" : "no b" + n + " (it is away)");
                }
            }
            try (Selection auto = Selection.auto(IntStream.range(0, count)
                    .mapToObj(n -> candidate("b" + n, isSet(p, n), isSet(p, count + n)))
                    .toList())) {
                assertThat(events).as("nothing is asked before a call").isEmpty();
                if (taken != null) {
                    Selection.Route route = auto.route(backend -> null);
                    assertThat(route.backend().name()).isEqualTo(taken);
                    assertThat(route.reason())
                            .isEqualTo(
                                    passedBy.isEmpty() ? "auto: the fastest" : "auto: " + String.join(", ", passedBy));
                    assertThat(auto.route(backend -> null).backend())
                            .as("opened once")
                            .isSameAs(route.backend());
                } else {
                    assertThatThrownBy(() -> auto.route(backend -> null))
                            .isInstanceOf(SageException.class)
                            .hasMessage(
                                    any
                                            ? "no backend takes this call: " + String.join("; ", passedBy)
                                            : "no backend can run here: " + String.join(", ", passedBy));
                }
                assertThat(events.subList(0, expected.size())).isEqualTo(expected);
            }
            List<String> opened = events.stream()
                    .filter(e -> e.startsWith("open"))
                    .map(e -> e.replace("open", "close"))
                    .toList();
            assertThat(events.stream().filter(e -> e.startsWith("close")))
                    .as("what was opened, and that once, is closed")
                    .containsExactlyElementsOf(opened);
        }
    }

    private static boolean isSet(int bits, int n) {
        return (bits >> n & 1) == 1;
    }

    @Test
    void theFastestIsNamedWithoutBeingOpened() {
        Selection auto = Selection.auto(
                List.of(candidate("away", false, true), candidate("here", true, false), candidate("slow", true, true)));
        assertThat(auto.name()).isEqualTo("auto");
        assertThat(auto.fastestName()).isEqualTo("here");
        assertThat(auto.fastestReason()).isEqualTo("auto: no away (it is away)");
        assertThat(events).containsExactly("look for away", "look for here");
        assertThat(auto.fastestRules().name()).isEqualTo("here");
        assertThat(events).endsWith("open here");
    }

    /** One whose rules are known without it is not started for what it does not take. */
    @Test
    void rulesThatAreKnownSaveAStart() {
        for (boolean takes : new boolean[] {false, true}) {
            events.clear();
            Backends.Candidate gpu = new Backends.Candidate(
                    "gpu", Optional::empty, "a fake", false, () -> new Fake("gpu", takes), () -> {
                        note("open gpu");
                        return new Fake("gpu", takes);
                    });
            Selection auto = Selection.auto(List.of(gpu, candidate("slow", true, true)));
            assertThat(auto.fastestRules().name()).isEqualTo("gpu");
            assertThat(events).isEmpty();
            assertThat(auto.route(rules -> null).backend().name()).isEqualTo(takes ? "gpu" : "slow");
            assertThat(events.contains("open gpu")).isEqualTo(takes);
        }
    }

    @Test
    void whatDoesNotStartIsAnErrorAndTriedAgain() {
        List<String> failures = new ArrayList<>(List.of("out of memory"));
        Selection auto = Selection.auto(List.of(
                new Backends.Candidate("gpu", Optional::empty, "a fake", false, null, () -> {
                    if (!failures.isEmpty()) {
                        throw new SageException(failures.removeFirst());
                    }
                    return new Fake("gpu", true);
                }),
                candidate("slow", true, true)));
        assertThatThrownBy(() -> auto.route(backend -> null))
                .isInstanceOf(SageException.class)
                .hasMessage("out of memory (starting backend gpu for auto; to do without it open another one by name)");
        assertThat(events).as("no other is tried").isEmpty();
        assertThat(auto.route(backend -> null).backend().name()).isEqualTo("gpu");
    }

    @Test
    void closedOpensNothing() {
        Selection auto = Selection.auto(List.of(candidate("b", true, true)));
        auto.close();
        auto.close();
        assertThatThrownBy(() -> auto.route(backend -> null)).hasMessage("this Sage is closed; open a new one");
        assertThat(events).containsExactly("look for b");
    }

    @Test
    void callsSideBySideOpenABackendOnce() throws Exception {
        Selection auto = Selection.auto(List.of(candidate("shy", true, false), candidate("b", true, true)));
        Random random = new Random(3);
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Future<?>> done = new ArrayList<>();
            for (int thread = 0; thread < 32; thread++) {
                int calls = 1 + random.nextInt(20);
                done.add(threads.submit(() -> {
                    for (int n = 0; n < calls; n++) {
                        assertThat(auto.route(backend -> null).backend().name()).isEqualTo("b");
                    }
                }));
            }
            for (Future<?> future : done) {
                future.get();
            }
        }
        assertThat(events.stream().filter(e -> e.startsWith("open") || e.startsWith("look")))
                .containsExactlyInAnyOrder("look for shy", "open shy", "look for b", "open b");
    }

    @Test
    void aNamedBackendGetsEveryCall() {
        Selection named = Selection.named(new Fake("shy", false));
        Selection.Route route = named.route(backend -> null);
        assertThat(route.backend().name()).isEqualTo("shy");
        assertThat(route.reason()).isEqualTo("asked for by name").isEqualTo(named.fastestReason());
        assertThat(events).as("it says itself what it does not take").isEmpty();
        assertThatThrownBy(named::device).hasMessage("backend shy has no tensors in GPU memory; open backend cuda");
    }
}
