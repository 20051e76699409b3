package io.sage4j.io;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** Text from files, names and the operating system, made fit for one line of an error message. */
public final class OneLine {
    private static final int LONGEST = 120;

    private OneLine() {}

    /** The text with everything that is not printable escaped: it cannot break the line, nor the terminal. */
    public static String of(String text) {
        StringBuilder line = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            boolean printable =
                    switch (Character.getType(c)) {
                        case Character.CONTROL,
                                Character.FORMAT,
                                Character.SURROGATE,
                                Character.PRIVATE_USE,
                                Character.UNASSIGNED,
                                Character.LINE_SEPARATOR,
                                Character.PARAGRAPH_SEPARATOR -> false;
                        default -> true;
                    };
            if (printable) {
                line.appendCodePoint(c);
            } else {
                line.append(String.format(c < 0x100 ? "\\x%02x" : "\\u%04x", c));
            }
        });
        return line.toString();
    }

    /** The text in quotes, escaped, and shortened if it is long: for what a file says. */
    public static String quoted(String text) {
        String shown = text.length() <= LONGEST ? text : text.substring(0, LONGEST) + "...";
        return "'" + of(shown) + "'";
    }

    /** Why the operating system refused, in a few words. */
    public static String reason(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "no such file or directory";
        }
        if (e instanceof AccessDeniedException) {
            return "permission denied";
        }
        String reason = e instanceof FileSystemException f ? f.getReason() : e.getMessage();
        return reason == null ? e.getClass().getSimpleName() : of(reason);
    }
}
