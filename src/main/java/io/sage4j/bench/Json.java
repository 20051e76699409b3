package io.sage4j.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.sage4j.SageException;
import io.sage4j.io.OneLine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** JSON as sage4j writes and reads it: indented; NaN and infinities as the strings "NaN", "Infinity", "-Infinity". */
public final class Json {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(SerializationFeature.INDENT_OUTPUT)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private Json() {}

    /** A record, map or list as JSON text. */
    public static String text(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("cannot be JSON: " + value.getClass(), e);
        }
    }

    /**
     * Reads a file.
     *
     * @throws SageException if it cannot be read, or holds something else; unknown fields count as something else
     */
    public static <T> T read(Path file, Class<T> type) {
        String name = OneLine.of(file.toString());
        JavaType wanted = MAPPER.constructType(type);
        try {
            return MAPPER.readValue(Files.readAllBytes(file), wanted);
        } catch (JsonProcessingException e) {
            throw new SageException(
                    name + ": is no " + type.getSimpleName() + ": " + OneLine.of(e.getOriginalMessage()), e);
        } catch (IOException e) {
            throw new SageException(name + ": cannot be read: " + OneLine.reason(e), e);
        }
    }
}
