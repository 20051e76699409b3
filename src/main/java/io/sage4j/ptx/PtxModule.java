package io.sage4j.ptx;

import java.util.List;

/**
 * Kernels for one target, as PTX text of the lowest version that their instructions and the target need.
 *
 * @param arch target
 * @param kernels entry points
 */
public record PtxModule(Arch arch, List<Kernel> kernels) {
    /** @throws IllegalArgumentException if the target lacks an instruction or shared memory */
    public PtxModule {
        kernels = List.copyOf(kernels);
        kernels.forEach(k -> k.requireFits(arch));
    }

    /** A module of one kernel. */
    public static PtxModule of(Arch arch, Kernel kernel) {
        return new PtxModule(arch, List.of(kernel));
    }

    /** PTX version times ten. */
    public int version() {
        return kernels.stream().mapToInt(k -> k.requirement().version()).reduce(arch.version(), Math::max);
    }

    /** PTX text. */
    public String text() {
        StringBuilder text = new StringBuilder();
        text.append(".version ")
                .append(version() / 10)
                .append('.')
                .append(version() % 10)
                .append('\n');
        text.append(".target ").append(arch.ptx()).append('\n');
        text.append(".address_size 64\n");
        kernels.forEach(k -> text.append('\n').append(k.text()));
        return text.toString();
    }
}
