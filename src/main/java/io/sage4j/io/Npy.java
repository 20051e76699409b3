package io.sage4j.io;

import io.sage4j.SageException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * NumPy's .npy files: reads versions 1.0, 2.0 and 3.0, writes 1.0. Row-major, little-endian arrays of the types in
 * {@link ElementType}; anything else is refused with what to do in Python about it.
 *
 * <p>Layout: magic, two version bytes, the header's length (2 bytes, from version 2 on 4), the header as a Python dict,
 * the elements.
 */
public final class Npy {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int PREFIX = MAGIC.length + 2;
    private static final int ALIGNMENT = 64;
    private static final int LONGEST_HEADER = 1 << 16;
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Npy() {}

    /**
     * Opens a file; its elements are memory-mapped, not copied.
     *
     * @throws SageException if the file cannot be read or is not such an array
     */
    public static NdArray read(Path file) {
        return read(OneLine.of(file.toString()), FileInput.map(file));
    }

    /**
     * The array in the bytes of a file.
     *
     * @param name what error messages call the file
     * @param file its bytes
     * @throws SageException if they are not such an array
     */
    public static NdArray read(String name, MemorySegment file) {
        long size = file.byteSize();
        if (size < PREFIX || file.asSlice(0, MAGIC.length).mismatch(MemorySegment.ofArray(MAGIC)) >= 0) {
            throw new SageException(name + ": is no .npy file: its first bytes are "
                    + Safetensors.hex(file, MAGIC.length) + ", expected 93 4e 55 4d 50 59 (\\x93NUMPY)");
        }
        int major = Byte.toUnsignedInt(file.get(ValueLayout.JAVA_BYTE, MAGIC.length));
        int minor = Byte.toUnsignedInt(file.get(ValueLayout.JAVA_BYTE, MAGIC.length + 1));
        if (major < 1 || major > 3 || minor != 0) {
            throw new SageException(name + ": is .npy version " + major + "." + minor + ", expected 1.0, 2.0 or 3.0");
        }
        int lengthBytes = major == 1 ? 2 : 4;
        long headerAt = PREFIX + lengthBytes;
        if (size < headerAt) {
            throw new SageException(name + ": is cut off at byte " + size + ", inside the header's length");
        }
        long headerLength = major == 1
                ? Short.toUnsignedLong(file.get(SHORT, PREFIX))
                : Integer.toUnsignedLong(file.get(INT, PREFIX));
        if (headerLength > LONGEST_HEADER) {
            throw new SageException(
                    name + ": claims a header of " + headerLength + " bytes, expected at most " + LONGEST_HEADER);
        }
        if (size - headerAt < headerLength) {
            throw new SageException(name + ": is cut off: claims a header of " + headerLength + " bytes, "
                    + (size - headerAt) + " bytes follow");
        }
        byte[] text = file.asSlice(headerAt, headerLength).toArray(ValueLayout.JAVA_BYTE);
        NpyHeader header = NpyHeader.parse(
                name, new String(text, major == 3 ? StandardCharsets.UTF_8 : StandardCharsets.ISO_8859_1));
        return array(name, header, file.asSlice(headerAt + headerLength));
    }

    private static NdArray array(String name, NpyHeader header, MemorySegment data) {
        ElementType type = elementType(name, header.descr());
        if (header.fortranOrder()) {
            throw new SageException(name + ": is in Fortran order (columns first), expected C order;"
                    + " save numpy.ascontiguousarray(x)");
        }
        long bytes = NdArray.byteSize(name + ": the array", type, header.shape());
        if (data.byteSize() != bytes) {
            String what = data.byteSize() < bytes ? "is cut off" : "has bytes after the array";
            throw new SageException(name + ": " + what + ": shape " + Arrays.toString(header.shape()) + " of " + type
                    + " needs " + bytes + " bytes, found " + data.byteSize());
        }
        return new NdArray(type, header.shape(), NdArray.aligned(data, type));
    }

    private static ElementType elementType(String name, String descr) {
        if (descr.startsWith(">") && descr.length() > 1) {
            throw new SageException(name + ": is big-endian (" + OneLine.quoted(descr)
                    + "), expected little-endian; save x.astype(x.dtype.newbyteorder('<'))");
        }
        return ElementType.ofNpy(descr)
                .orElseThrow(() -> new SageException(name + ": has element type " + OneLine.quoted(descr)
                        + ", expected '<f4', '<f2' or bfloat16 ('<V2'), or for masks '|b1', '|u1' or '|i1';"
                        + " save x.astype(numpy.float32)"));
    }

    /**
     * Writes an array, whole or not at all.
     *
     * @throws SageException if the target cannot be written, or .npy files cannot hold the element type
     */
    public static void write(Path target, NdArray array) {
        AtomicFile.write(target, body(target, array));
    }

    /** What {@link #write} writes, for files that are to appear together with others. */
    public static AtomicFile.Body body(Path target, NdArray array) {
        byte[] start = start(target, array);
        return channel -> {
            AtomicFile.write(channel, MemorySegment.ofArray(start));
            AtomicFile.write(channel, array.data());
        };
    }

    private static byte[] start(Path target, NdArray array) {
        String descr = array.type()
                .npy()
                .orElseThrow(() -> new SageException(OneLine.of(target.toString()) + ": .npy files cannot hold "
                        + array.type() + ", write a .safetensors file"));
        String header = new NpyHeader(descr, false, array.shape()).format();
        int unpadded = PREFIX + 2 + header.length() + 1;
        int padding = Math.floorMod(-unpadded, ALIGNMENT);
        byte[] text = (header + " ".repeat(padding) + "\n").getBytes(StandardCharsets.US_ASCII);
        byte[] start = new byte[PREFIX + 2 + text.length];
        System.arraycopy(MAGIC, 0, start, 0, MAGIC.length);
        start[MAGIC.length] = 1;
        MemorySegment.ofArray(start).set(SHORT, PREFIX, (short) text.length);
        System.arraycopy(text, 0, start, PREFIX + 2, text.length);
        return start;
    }
}
