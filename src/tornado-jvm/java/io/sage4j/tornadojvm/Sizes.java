package io.sage4j.tornadojvm;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;

/** Sizes in words. */
public final class Sizes {
    private static final Pattern SIZE = Pattern.compile("(\\d{1,12})\\s*(KB|MB|GB|B)");

    private Sizes() {}

    /**
     * Reads a size.
     *
     * @param text for example {@code 512MB}
     * @return number of bytes
     */
    public static long parse(String text) {
        Matcher matcher = SIZE.matcher(text);
        if (!matcher.matches()) {
            throw new TornadoRuntimeException("size \"" + text + "\", expected a number and KB, MB or GB");
        }
        int shift =
                switch (matcher.group(2)) {
                    case "KB" -> 10;
                    case "MB" -> 20;
                    case "GB" -> 30;
                    default -> 0;
                };
        return Math.multiplyExact(Long.parseLong(matcher.group(1)), 1L << shift);
    }
}
