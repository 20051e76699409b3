package io.sage4j.cli;

import io.sage4j.AttentionSpec.Causal;
import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.bench.Notation;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Granularity;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** What option values are written as: lower case, with hyphens. */
final class Words {
    private Words() {}

    private static <E extends Enum<E>> E parse(String word, E[] constants) {
        return Arrays.stream(constants)
                .filter(c -> Notation.of(c).equals(word))
                .findFirst()
                .orElseThrow(() -> new TypeConversionException("'" + word + "', expected "
                        + Arrays.stream(constants).map(Notation::of).collect(Collectors.joining(", "))));
    }

    /** {@code none}, {@code top-left} or {@code bottom-right}. */
    static final class ToCausal implements ITypeConverter<Causal> {
        @Override
        public Causal convert(String word) {
            return parse(word, Causal.values());
        }
    }

    /** {@code hnd} or {@code nhd}. */
    static final class ToLayout implements ITypeConverter<Layout> {
        @Override
        public Layout convert(String word) {
            return parse(word, Layout.values());
        }
    }

    /** {@code per-block} and so on. */
    static final class ToGranularity implements ITypeConverter<Granularity> {
        @Override
        public Granularity convert(String word) {
            return parse(word, Granularity.values());
        }
    }

    /** {@code float16} and so on, types of Q, K and V. */
    static final class ToDType implements ITypeConverter<DType> {
        @Override
        public DType convert(String word) {
            return parse(
                    word, Arrays.stream(DType.values()).filter(DType::isFloat).toArray(DType[]::new));
        }
    }

    /** A head_dim that there are kernels for. */
    static final class ToHeadDim implements ITypeConverter<Integer> {
        @Override
        public Integer convert(String word) {
            return wholeNumber(word, AttentionShape.MAX_HEAD_DIM);
        }
    }

    /** A finite number. */
    static final class ToNumber implements ITypeConverter<Double> {
        @Override
        public Double convert(String word) {
            try {
                double number = Double.parseDouble(word);
                if (Float.isFinite((float) number)) {
                    return number;
                }
            } catch (NumberFormatException e) {
                // Said below, as for numbers that are not finite.
            }
            throw new TypeConversionException("'" + word + "', expected a finite number, such as 0.125");
        }
    }

    /** A positive whole number. */
    static final class ToCount implements ITypeConverter<Integer> {
        @Override
        public Integer convert(String word) {
            return wholeNumber(word, Integer.MAX_VALUE);
        }
    }

    private static int wholeNumber(String word, int most) {
        try {
            int number = Integer.parseInt(word);
            if (number > 0 && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Said below, as for numbers that are out of range.
        }
        throw new TypeConversionException("'" + word + "', expected a whole number from 1 to " + most);
    }

    /** A file name. */
    static final class ToFile implements ITypeConverter<Path> {
        @Override
        public Path convert(String word) {
            if (word.isEmpty()) {
                throw new TypeConversionException("an empty name, expected a file name");
            }
            try {
                return Path.of(word);
            } catch (InvalidPathException e) {
                throw new TypeConversionException("'" + word + "', expected a file name: " + e.getReason());
            }
        }
    }
}
