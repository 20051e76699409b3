package io.sage4j.io;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** Bytes of small files, and how to look into them. */
final class Fixtures {
    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Fixtures() {}

    static byte[] bytes(String hex) {
        return HexFormat.of().parseHex(hex);
    }

    static byte[] join(byte[]... parts) {
        int length = 0;
        for (byte[] part : parts) {
            length += part.length;
        }
        byte[] all = new byte[length];
        int at = 0;
        for (byte[] part : parts) {
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }

    /** A .npy file by its parts, as printed by numpy.lib.format.write_array. */
    static byte[] npy(String prefixHex, String header, int spaces, String restHex) {
        byte[] text = (header + " ".repeat(spaces)).getBytes(StandardCharsets.ISO_8859_1);
        return join(bytes(prefixHex), text, bytes(restHex));
    }

    /** A version 1.0 file with a header of any text and the right length before it. */
    static byte[] npy(String header, byte... data) {
        byte[] text = header.getBytes(StandardCharsets.ISO_8859_1);
        byte[] prefix = bytes("934e554d50590100");
        byte[] length = {(byte) text.length, (byte) (text.length >> 8)};
        return join(prefix, length, text, data);
    }

    /** A safetensors file with a header of any text and the right length before it. */
    static byte[] safetensors(String json, byte... data) {
        byte[] text = json.getBytes(StandardCharsets.UTF_8);
        return safetensors(text.length, text, data);
    }

    static byte[] safetensors(long claimedLength, byte[] json, byte... data) {
        byte[] length = new byte[8];
        MemorySegment.ofArray(length)
                .set(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0, claimedLength);
        return join(length, json, data);
    }

    static NdArray floats(long[] shape, float... values) {
        MemorySegment data = MemorySegment.ofArray(new byte[4 * values.length]);
        for (int i = 0; i < values.length; i++) {
            data.set(FLOAT, 4L * i, values[i]);
        }
        return new NdArray(ElementType.FLOAT32, shape, data);
    }

    static NdArray bytes(ElementType type, long[] shape, int... values) {
        byte[] data = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            data[i] = (byte) values[i];
        }
        return new NdArray(type, shape, MemorySegment.ofArray(data));
    }
}
