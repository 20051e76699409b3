package io.sage4j.io;

import io.sage4j.SageException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The dict at the start of a .npy file. The grammar is the part of Python that NumPy writes, and no more: one dict with
 * exactly the keys descr (a string), fortran_order (True or False) and shape (a tuple of integers), each once.
 *
 * @param descr element type
 * @param fortranOrder whether the first dimension is the contiguous one
 * @param shape sizes of the dimensions
 */
record NpyHeader(String descr, boolean fortranOrder, long[] shape) {
    /** The header as NumPy writes it, without padding. */
    String format() {
        String sizes = Arrays.stream(shape).mapToObj(Long::toString).collect(Collectors.joining(", "));
        return "{'descr': '" + descr + "', 'fortran_order': " + (fortranOrder ? "True" : "False") + ", 'shape': ("
                + sizes + (shape.length == 1 ? ",)" : ")") + ", }";
    }

    /**
     * Reads a header.
     *
     * @param name what error messages call the file
     * @param text the dict, with white space after it
     * @throws SageException saying where the text departs from the grammar
     */
    static NpyHeader parse(String name, String text) {
        return new Parser(name, text).dict();
    }

    private static final class Parser {
        private final String name;
        private final String text;
        private int at;

        Parser(String name, String text) {
            this.name = name;
            this.text = text;
        }

        NpyHeader dict() {
            String descr = null;
            boolean fortranOrder = false;
            long[] shape = null;
            Set<String> seen = new HashSet<>();
            expect('{');
            while (!next('}')) {
                String key = string();
                if (!seen.add(key)) {
                    throw wrong("the key " + OneLine.quoted(key) + " appears twice");
                }
                expect(':');
                switch (key) {
                    case "descr" -> descr = descr();
                    case "fortran_order" -> fortranOrder = bool();
                    case "shape" -> shape = tuple();
                    default ->
                        throw wrong(
                                "the key " + OneLine.quoted(key) + " is unknown, expected descr, fortran_order, shape");
                }
                if (!next(',')) {
                    expect('}');
                    break;
                }
            }
            space();
            if (at < text.length()) {
                throw wrong("text follows the dict");
            }
            if (seen.size() < 3) {
                throw wrong("expected the keys descr, fortran_order and shape, found only " + seen);
            }
            return new NpyHeader(descr, fortranOrder, shape);
        }

        private String descr() {
            space();
            if (at < text.length() && text.charAt(at) == '[') {
                throw new SageException(
                        name + ": has a structured element type, expected a plain one; save one field, x['field']");
            }
            return string();
        }

        private String string() {
            space();
            char quote = at < text.length() ? text.charAt(at) : 0;
            int end = quote == '\'' || quote == '"' ? text.indexOf(quote, at + 1) : -1;
            if (end < 0) {
                throw wrong("expected a quoted string");
            }
            String value = text.substring(at + 1, end);
            if (value.indexOf('\\') >= 0) {
                throw wrong("expected a string without escapes");
            }
            at = end + 1;
            return value;
        }

        private boolean bool() {
            space();
            for (String word : List.of("True", "False")) {
                if (text.startsWith(word, at)) {
                    at += word.length();
                    return word.equals("True");
                }
            }
            throw wrong("expected True or False");
        }

        private long[] tuple() {
            List<Long> sizes = new ArrayList<>();
            boolean comma = false;
            expect('(');
            while (!next(')')) {
                sizes.add(integer());
                comma = next(',');
                if (!comma) {
                    expect(')');
                    break;
                }
            }
            if (sizes.size() == 1 && !comma) {
                throw wrong("expected a tuple, such as (3,)");
            }
            return sizes.stream().mapToLong(Long::longValue).toArray();
        }

        private long integer() {
            space();
            int start = at;
            if (at < text.length() && text.charAt(at) == '-') {
                at++;
            }
            while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
                at++;
            }
            try {
                return Long.parseLong(text, start, at, 10);
            } catch (NumberFormatException e) {
                String found = text.substring(start, at);
                at = start;
                throw wrong(found.length() > 1 ? "a size is beyond 64 bits" : "expected an integer");
            }
        }

        private void expect(char c) {
            if (!next(c)) {
                throw wrong("expected '" + c + "'");
            }
        }

        private boolean next(char c) {
            space();
            boolean found = at < text.length() && text.charAt(at) == c;
            if (found) {
                at++;
            }
            return found;
        }

        private void space() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
        }

        private SageException wrong(String what) {
            String found = at < text.length() ? OneLine.quoted(text.substring(at)) : "the end of the header";
            return new SageException(name + ": bad .npy header: " + what + ", found " + found + " at character " + at);
        }
    }
}
