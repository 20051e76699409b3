package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.SageException;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfEnvironmentVariable;

/** The measurement of a first result; here not in a new process. */
@DisabledIfEnvironmentVariable(named = "TORNADOVM_HOME", matches = ".+", disabledReason = "backend jvm is not there")
class FirstResultTest {
    @Test
    void timesFollowEachOther() {
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        FirstResult.measure(new String[] {"jvm", "int8-fp8-sm90"}, new PrintStream(text, true, StandardCharsets.UTF_8));
        Matcher found = Pattern.compile("\\{\"backend\": \"jvm\", \"main_ms\": (\\d+), \"open_ms\": (\\d+),"
                        + " \"first_ms\": (\\d+), \"second_ms\": (\\d+)}\\R")
                .matcher(text.toString(StandardCharsets.UTF_8));
        assertThat(found.matches()).as(text.toString(StandardCharsets.UTF_8)).isTrue();
        for (int n = 2; n <= 4; n++) {
            assertThat(Long.parseLong(found.group(n))).isGreaterThanOrEqualTo(Long.parseLong(found.group(n - 1)));
        }
    }

    @Test
    void wrongArgumentsAreRefused() {
        assertThatThrownBy(() -> FirstResult.measure(new String[] {"jvm"}, System.out))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("expected BACKEND VARIANT");
    }
}
