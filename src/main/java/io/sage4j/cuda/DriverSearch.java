package io.sage4j.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Whether there is a CUDA driver.
 *
 * @param driver the driver, if its library was found and has all functions; it has not been initialised
 * @param reason why there is none; empty if there is one
 */
public record DriverSearch(Optional<CudaDriver> driver, Optional<String> reason) {
    /** Searched once per process: a library that was loaded stays. */
    @SuppressWarnings("restricted")
    private static final class Here {
        private static final DriverSearch FOUND = of(libraryName(), () -> {
            if (!DriverSearch.class.getModule().isNativeAccessEnabled()) {
                // Java would warn on standard error in a program that may not want a GPU at all.
                throw new IllegalCallerException("native access is off");
            }
            return SymbolLookup.libraryLookup(libraryName(), Arena.global());
        });
    }

    /** The driver of this machine. Throws nothing. */
    public static DriverSearch here() {
        return Here.FOUND;
    }

    /** The library's name on this platform: the one place that knows it. */
    static String libraryName() {
        boolean windows =
                System.getProperty("os.name", "").toLowerCase(Locale.ROOT).startsWith("windows");
        return windows ? "nvcuda.dll" : "libcuda.so.1";
    }

    /**
     * The driver of a library.
     *
     * @param library its name, for messages
     * @param opener opens it; throws IllegalArgumentException if there is none, IllegalCallerException if it may not be looked for
     */
    static DriverSearch of(String library, Supplier<SymbolLookup> opener) {
        SymbolLookup symbols;
        try {
            symbols = opener.get();
        } catch (IllegalCallerException e) {
            return none("no CUDA driver (" + library
                    + " was not looked for: native access is off, start Java with --enable-native-access=ALL-UNNAMED)");
        } catch (IllegalArgumentException e) {
            return none("no CUDA driver (" + library + " not found)");
        }
        Map<DriverFunction, MemorySegment> entries = new EnumMap<>(DriverFunction.class);
        for (DriverFunction function : DriverFunction.values()) {
            Optional<MemorySegment> entry = symbols.find(function.symbol());
            if (entry.isPresent()) {
                entries.put(function, entry.get());
            } else if (!function.optional()) {
                return none("the CUDA driver is too old (" + library + " has no " + function.symbol()
                        + "), expected one of CUDA 12 or newer");
            }
        }
        return new DriverSearch(Optional.of(new CudaDriver(entries)), Optional.empty());
    }

    private static DriverSearch none(String reason) {
        return new DriverSearch(Optional.empty(), Optional.of(reason));
    }
}
