package io.sage4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;

/**
 * One run of the command line, with what it printed.
 *
 * @param status exit status
 * @param out standard output
 * @param err standard error
 */
record CliRun(int status, String out, String err) {
    static CliRun of(Object... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        String[] words = new String[arguments.length];
        for (int i = 0; i < words.length; i++) {
            words[i] = arguments[i].toString();
        }
        int status = Main.run(new PrintWriter(out, true), new PrintWriter(err, true), words);
        return new CliRun(status, out.toString(), err.toString());
    }

    /** It did what it was asked for and had nothing to say about it on stderr. */
    CliRun succeeds() {
        assertThat(err).isEmpty();
        assertThat(status).isZero();
        return this;
    }

    /** It refused: one line on stderr that says why, nothing on stdout. */
    void refuses(String why) {
        assertThat(err).startsWith("sage4j: ").contains(why);
        assertThat(err.strip().lines()).hasSize(1);
        assertThat(out).isEmpty();
        assertThat(status).isEqualTo(2);
    }
}
