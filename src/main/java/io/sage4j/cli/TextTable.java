package io.sage4j.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/** Rows of text in columns: the first column to the left, columns that hold numbers to the right. */
final class TextTable {
    private final List<String[]> rows = new ArrayList<>();
    private final boolean[] numeric;

    /** @param header names of the columns; a name that starts with {@code >} stands over numbers */
    TextTable(String... header) {
        numeric = new boolean[header.length];
        String[] names = new String[header.length];
        for (int c = 0; c < header.length; c++) {
            numeric[c] = header[c].startsWith(">");
            names[c] = numeric[c] ? header[c].substring(1) : header[c];
        }
        rows.add(names);
    }

    void row(String... cells) {
        if (cells.length != numeric.length) {
            throw new IllegalArgumentException(cells.length + " cells, expected " + numeric.length);
        }
        rows.add(cells);
    }

    void print(PrintWriter out) {
        int[] width = new int[numeric.length];
        for (String[] row : rows) {
            for (int c = 0; c < width.length; c++) {
                width[c] = Math.max(width[c], row[c].length());
            }
        }
        for (String[] row : rows) {
            StringBuilder line = new StringBuilder();
            for (int c = 0; c < width.length; c++) {
                String space = " ".repeat(width[c] - row[c].length());
                line.append(c == 0 ? "" : "  ").append(numeric[c] ? space + row[c] : row[c] + space);
            }
            out.println(line.toString().stripTrailing());
        }
    }
}
