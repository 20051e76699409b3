package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whether a driver is found, and what is said if not; and the functions it must have. */
class DriverSearchTest {
    private static final Map<String, MemoryLayout> TYPES = Map.of(
            "int",
            JAVA_INT,
            "unsigned int",
            JAVA_INT,
            "CUdevice",
            JAVA_INT,
            "CUresult",
            JAVA_INT,
            "unsigned char",
            JAVA_BYTE,
            "size_t",
            JAVA_LONG,
            "unsigned long long",
            JAVA_LONG,
            "CUdeviceptr",
            JAVA_LONG);

    @Test
    @SuppressWarnings("restricted")
    void libraryThatIsNotThere() {
        String name = "libsage4j-there-is-none.so.1";
        DriverSearch search = DriverSearch.of(name, () -> SymbolLookup.libraryLookup(name, Arena.global()));
        assertThat(search.driver()).isEmpty();
        assertThat(search.reason()).contains("no CUDA driver (" + name + " not found)");
    }

    @Test
    void nativeAccessThatIsOff() {
        DriverSearch search = DriverSearch.of("libcuda.so.1", () -> {
            throw new IllegalCallerException("illegal native access");
        });
        assertThat(search.driver()).isEmpty();
        assertThat(search.reason().orElseThrow()).contains("--enable-native-access=ALL-UNNAMED");
    }

    @Test
    void thisMachineIsAskedWithoutThrowing() {
        DriverSearch here = DriverSearch.here();
        assertThat(here.driver().isPresent()).isNotEqualTo(here.reason().isPresent());
        assertThat(DriverSearch.here()).isSameAs(here);
    }

    @ParameterizedTest
    @EnumSource
    void functionThatTheDriverDoesNotHave(DriverFunction function) {
        try (FakeDriver fake = new FakeDriver()) {
            fake.missing.add(function.symbol());
            DriverSearch search = fake.search();
            if (function == DriverFunction.FUNCTION_GET_PARAM_INFO) {
                assertThat(search.driver()).isPresent();
            } else {
                assertThat(search.driver()).isEmpty();
                assertThat(search.reason())
                        .contains("the CUDA driver is too old (libfake.so.1 has no " + function.symbol()
                                + "), expected one of CUDA 12 or newer");
            }
        }
    }

    /** Against the header itself, where a toolkit is installed. */
    @ParameterizedTest
    @EnumSource
    void prototypesAreThoseOfCudaH(DriverFunction function) throws IOException {
        Path header = header();
        assumeTrue(header != null, "no cuda.h here");
        String text = Files.readString(header).replaceAll("(?s)/\\*.*?\\*/", "");
        List<List<MemoryLayout>> prototypes = new ArrayList<>();
        // A name with a version is that of the prototype which the header's macros rename to it.
        String name = function.symbol().replaceAll("_v[0-9]+$", "");
        String plain = name.equals("cuGraphInstantiateWithFlags") ? "cuGraphInstantiate" : name;
        Matcher matcher = Pattern.compile("CUresult\\s+CUDAAPI\\s+" + plain + "\\s*\\(([^)]*)\\)")
                .matcher(text);
        while (matcher.find()) {
            prototypes.add(arguments(matcher.group(1)));
        }
        assertThat(prototypes).isNotEmpty();
        // The first one is today's; those of old versions follow at the header's end.
        assertThat(function.type().argumentLayouts()).isEqualTo(prototypes.get(0));
    }

    private static List<MemoryLayout> arguments(String list) {
        if (list.strip().equals("void")) {
            return List.of();
        }
        return Stream.of(list.split(",")).map(DriverSearchTest::layout).toList();
    }

    private static MemoryLayout layout(String argument) {
        if (argument.contains("*")) {
            return ADDRESS;
        }
        String type = argument.strip().replaceAll("\\s*\\w+$", "").replaceAll("\\s+", " ");
        if (TYPES.containsKey(type)) {
            return TYPES.get(type);
        }
        // What is left are enums and opaque handles.
        return type.matches("CU(device|function|memPool)_attribute|CUstreamCaptureMode|CUjitInputType")
                ? JAVA_INT
                : JAVA_LONG;
    }

    private static Path header() throws IOException {
        try (Stream<Path> places =
                Files.isDirectory(Path.of("/usr/local")) ? Files.list(Path.of("/usr/local")) : Stream.of()) {
            return places.filter(p -> p.getFileName().toString().startsWith("cuda"))
                    .map(p -> p.resolve("include/cuda.h"))
                    .filter(Files::exists)
                    .findFirst()
                    .orElse(null);
        }
    }
}
