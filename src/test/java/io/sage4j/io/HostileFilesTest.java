package io.sage4j.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.SageException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/**
 * Whatever a file holds, reading it gives arrays or a {@link SageException} of one line. The properties print the seed
 * that repeats a failure.
 */
class HostileFilesTest {
    private static final byte[] NPY = Fixtures.npy(
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n", Fixtures.bytes("0000803f00000040"));
    private static final byte[] SAFETENSORS = Fixtures.safetensors(
            "{\"__metadata__\":{\"a\":\"b\"},\"q\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                    + "\"m\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[8,11]}}  ",
            Fixtures.bytes("0000803f00000040010001"));
    private static final String PIECES = "{}[](),:'\"\\ -0123456789.eE<>|fVTrueFalse\n\0\u00ff";

    private static Map<String, NdArray> npy(byte[] file) {
        return Map.of("", Npy.read("fuzz", MemorySegment.ofArray(file)));
    }

    private static Map<String, NdArray> safetensors(byte[] file) {
        Safetensors opened = Safetensors.read("fuzz", MemorySegment.ofArray(file));
        Map<String, NdArray> tensors = new LinkedHashMap<>();
        for (String name : opened.names()) {
            tensors.put(name, opened.tensor(name));
        }
        return tensors;
    }

    /** Reads the file; whatever comes out is whole, whatever is thrown is a SageException of one line. */
    private static void read(Function<byte[], Map<String, NdArray>> reader, byte[] file) {
        try {
            reader.apply(file).values().forEach(a -> assertThat(a.data().byteSize())
                    .isEqualTo(NdArray.byteSize("fuzz", a.type(), a.shape()))
                    .isLessThanOrEqualTo(file.length));
        } catch (SageException e) {
            assertThat(e.getMessage()).startsWith("fuzz: ").matches("\\P{Cc}*").hasSizeLessThan(2000);
        }
    }

    @Test
    void everyTruncationIsNoticed() {
        for (int length = 0; length < NPY.length; length++) {
            byte[] cut = Arrays.copyOf(NPY, length);
            assertThatThrownBy(() -> npy(cut)).as("%d bytes", length).isInstanceOf(SageException.class);
        }
        for (int length = 0; length < SAFETENSORS.length; length++) {
            byte[] cut = Arrays.copyOf(SAFETENSORS, length);
            assertThatThrownBy(() -> safetensors(cut)).as("%d bytes", length).isInstanceOf(SageException.class);
        }
    }

    @Test
    void everyChangeOfOneByteIsReadOrRefused() {
        for (int value = 0; value < 256; value++) {
            for (int at = 0; at < NPY.length; at++) {
                read(HostileFilesTest::npy, changed(NPY, at, value));
            }
            for (int at = 0; at < SAFETENSORS.length; at++) {
                read(HostileFilesTest::safetensors, changed(SAFETENSORS, at, value));
            }
        }
    }

    private static byte[] changed(byte[] file, int at, int value) {
        byte[] copy = file.clone();
        copy[at] = (byte) value;
        return copy;
    }

    @Property(tries = 3000)
    void noise(@ForAll byte[] bytes) {
        read(HostileFilesTest::npy, bytes);
        read(HostileFilesTest::safetensors, bytes);
        read(HostileFilesTest::npy, Fixtures.join(Fixtures.bytes("934e554d50590100"), bytes));
        read(HostileFilesTest::safetensors, Fixtures.safetensors(bytes.length, bytes));
    }

    /** Random edits that keep the claimed length of the header right, so that they reach the parsers. */
    @Property(tries = 5000)
    void editedHeaders(@ForAll long seed) {
        Random random = new Random(seed);
        String header = edited(random, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n");
        read(HostileFilesTest::npy, Fixtures.npy(header, new byte[8]));
        String json = edited(
                random,
                "{\"__metadata__\":{\"a\":\"b\"},\"q\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                        + "\"m\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[8,11]}}");
        read(HostileFilesTest::safetensors, Fixtures.safetensors(json, new byte[11]));
    }

    private static String edited(Random random, String text) {
        StringBuilder edited = new StringBuilder(text);
        for (int edits = 1 + random.nextInt(4); edits > 0; edits--) {
            int at = random.nextInt(edited.length());
            int end = Math.min(edited.length(), at + random.nextInt(6));
            switch (random.nextInt(4)) {
                case 0 -> edited.delete(at, end);
                case 1 -> edited.insert(at, edited.substring(at, end).repeat(1 + random.nextInt(3)));
                case 2 -> edited.insert(at, Long.toString(random.nextLong() >> random.nextInt(64)));
                default -> edited.insert(at, PIECES.charAt(random.nextInt(PIECES.length())));
            }
            if (edited.isEmpty()) {
                edited.append('{');
            }
        }
        return edited.toString();
    }
}
