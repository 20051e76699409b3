package io.sage4j.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import io.sage4j.SageException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The JSON at the start of a safetensors file.
 *
 * @param tensors by name, in the order of the file
 * @param metadata strings about the file
 */
record SafetensorsHeader(Map<String, Entry> tensors, Map<String, String> metadata) {
    /** Name of the entry that is no tensor. */
    static final String METADATA = "__metadata__";

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(4)
                    .maxNumberLength(32)
                    .build())
            .build();

    /**
     * One tensor.
     *
     * @param dtype as written in the file; maybe one that is not known
     * @param shape sizes of the dimensions
     * @param begin first byte, counted from the end of the header
     * @param end byte after the last
     */
    record Entry(String dtype, long[] shape, long begin, long end) {
        Optional<ElementType> elementType() {
            return ElementType.ofSafetensors(dtype);
        }
    }

    /**
     * Reads and checks a header.
     *
     * @param name what error messages call the file
     * @param json the header
     * @param dataBytes bytes that follow the header in the file
     */
    static SafetensorsHeader parse(String name, byte[] json, long dataBytes) {
        SafetensorsHeader header;
        try (JsonParser parser = JSON.createParser(json)) {
            header = new Reader(name, parser).header();
        } catch (StreamConstraintsException e) {
            throw new SageException(name + ": bad safetensors header: " + OneLine.of(e.getOriginalMessage()), e);
        } catch (IOException e) {
            String why = e instanceof JsonProcessingException j ? j.getOriginalMessage() : e.getMessage();
            throw new SageException(name + ": bad safetensors header: not JSON: " + OneLine.of(String.valueOf(why)), e);
        }
        header.tensors.forEach((tensor, entry) -> checkSize(name + ": tensor " + OneLine.quoted(tensor), entry));
        checkCoverage(name, header.tensors, dataBytes);
        return header;
    }

    private static void checkSize(String what, Entry entry) {
        if (entry.begin > entry.end) {
            throw new SageException(what + " has data_offsets [" + entry.begin + ", " + entry.end
                    + "], expected the first not above the second");
        }
        entry.elementType().ifPresent(type -> {
            long bytes = NdArray.byteSize(what, type, entry.shape);
            if (bytes != entry.end - entry.begin) {
                throw new SageException(what + " has shape " + Arrays.toString(entry.shape) + " of " + type + ", "
                        + bytes + " bytes, but data_offsets [" + entry.begin + ", " + entry.end + "], "
                        + (entry.end - entry.begin) + " bytes");
            }
        });
    }

    /** The tensors lie one after the other and fill the file exactly: no overlap, none outside, no byte left. */
    private static void checkCoverage(String name, Map<String, Entry> tensors, long dataBytes) {
        List<Map.Entry<String, Entry>> order = new ArrayList<>(tensors.entrySet());
        order.sort(Comparator.<Map.Entry<String, Entry>>comparingLong(e -> e.getValue().begin)
                .thenComparingLong(e -> e.getValue().end));
        long at = 0;
        for (Map.Entry<String, Entry> e : order) {
            Entry entry = e.getValue();
            String what = name + ": tensor " + OneLine.quoted(e.getKey()) + " has data_offsets [" + entry.begin + ", "
                    + entry.end + "], ";
            if (entry.end > dataBytes) {
                throw new SageException(
                        what + "but only " + dataBytes + " bytes follow the header: the file is cut off");
            }
            if (entry.begin != at) {
                throw new SageException(
                        what + "expected them to start at " + at + ", where the tensor before ends: tensors"
                                + (entry.begin < at ? " overlap" : " have a hole between them"));
            }
            at = entry.end;
        }
        if (at != dataBytes) {
            throw new SageException(name + ": " + (dataBytes - at) + " bytes follow the last tensor, expected none");
        }
    }

    /** The header as JSON, offsets in the order of the map. */
    static byte[] format(Map<String, NdArray> tensors, Map<String, String> metadata) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(bytes)) {
            out.writeStartObject();
            if (!metadata.isEmpty()) {
                out.writeObjectFieldStart(METADATA);
                for (Map.Entry<String, String> e : metadata.entrySet()) {
                    out.writeStringField(e.getKey(), e.getValue());
                }
                out.writeEndObject();
            }
            long at = 0;
            for (Map.Entry<String, NdArray> e : tensors.entrySet()) {
                NdArray array = e.getValue();
                long end = Math.addExact(at, array.data().byteSize());
                out.writeObjectFieldStart(e.getKey());
                out.writeStringField("dtype", array.type().safetensors());
                out.writeFieldName("shape");
                out.writeArray(array.shape(), 0, array.rank());
                out.writeFieldName("data_offsets");
                out.writeArray(new long[] {at, end}, 0, 2);
                out.writeEndObject();
                at = end;
            }
            out.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    /** Reads the tokens one by one: the JSON is never held as a tree, and every surprise has a message of its own. */
    private static final class Reader {
        private final String name;
        private final JsonParser parser;

        Reader(String name, JsonParser parser) {
            this.name = name;
            this.parser = parser;
        }

        SafetensorsHeader header() throws IOException {
            Map<String, Entry> tensors = new LinkedHashMap<>();
            Map<String, String> metadata = Map.of();
            expect(parser.nextToken(), JsonToken.START_OBJECT, "the header");
            for (String key = parser.nextFieldName(); key != null; key = parser.nextFieldName()) {
                if (key.equals(METADATA)) {
                    metadata = metadata();
                } else {
                    tensors.put(key, entry(key));
                }
            }
            if (parser.nextToken() != null) {
                throw wrong("text follows the JSON object");
            }
            return new SafetensorsHeader(Collections.unmodifiableMap(tensors), metadata);
        }

        private Map<String, String> metadata() throws IOException {
            Map<String, String> strings = new LinkedHashMap<>();
            expect(parser.nextToken(), JsonToken.START_OBJECT, METADATA);
            for (String key = parser.nextFieldName(); key != null; key = parser.nextFieldName()) {
                strings.put(key, string(METADATA + "." + key));
            }
            return Collections.unmodifiableMap(strings);
        }

        private Entry entry(String tensor) throws IOException {
            String dtype = null;
            long[] shape = null;
            long[] offsets = null;
            expect(parser.nextToken(), JsonToken.START_OBJECT, tensor);
            for (String key = parser.nextFieldName(); key != null; key = parser.nextFieldName()) {
                String what = tensor + "." + key;
                switch (key) {
                    case "dtype" -> dtype = string(what);
                    case "shape" -> shape = sizes(what);
                    case "data_offsets" -> offsets = sizes(what);
                    default ->
                        throw wrong(OneLine.quoted(what) + " is unknown, expected dtype, shape and data_offsets");
                }
            }
            if (dtype == null || shape == null || offsets == null) {
                throw wrong(OneLine.quoted(tensor) + " lacks "
                        + (dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets"));
            }
            if (offsets.length != 2) {
                throw wrong(
                        OneLine.quoted(tensor + ".data_offsets") + " has " + offsets.length + " numbers, expected 2");
            }
            return new Entry(dtype, shape, offsets[0], offsets[1]);
        }

        private String string(String what) throws IOException {
            expect(parser.nextToken(), JsonToken.VALUE_STRING, what);
            return parser.getText();
        }

        private long[] sizes(String what) throws IOException {
            expect(parser.nextToken(), JsonToken.START_ARRAY, what);
            long[] sizes = new long[NdArray.MAX_RANK];
            int count = 0;
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                expect(parser.currentToken(), JsonToken.VALUE_NUMBER_INT, what);
                if (count == sizes.length) {
                    throw wrong(OneLine.quoted(what) + " has more than " + sizes.length + " numbers");
                }
                if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER || parser.getLongValue() < 0) {
                    throw wrong(OneLine.quoted(what) + " has the number " + parser.getText()
                            + ", expected one from 0 to 2^63 - 1");
                }
                sizes[count++] = parser.getLongValue();
            }
            return Arrays.copyOf(sizes, count);
        }

        private void expect(JsonToken found, JsonToken expected, String what) {
            if (found != expected) {
                throw wrong(OneLine.quoted(what) + " is " + said(found) + ", expected " + said(expected));
            }
        }

        private static String said(JsonToken token) {
            if (token == null) {
                return "missing";
            }
            return switch (token) {
                case START_OBJECT -> "an object";
                case START_ARRAY -> "an array";
                case VALUE_STRING -> "a string";
                case VALUE_NUMBER_INT -> "an integer";
                case VALUE_NUMBER_FLOAT -> "a fraction";
                case VALUE_TRUE, VALUE_FALSE -> "a boolean";
                case VALUE_NULL -> "null";
                default -> "the end of the JSON";
            };
        }

        private SageException wrong(String what) {
            return new SageException(name + ": bad safetensors header: " + what);
        }
    }
}
