package io.sage4j.ptx;

/**
 * Orders what comes before with what comes behind, for others than the thread itself.
 *
 * @param kind what is ordered
 */
public record Fence(Kind kind) implements NoRegisters {
    /** Kinds. */
    public enum Kind {
        /** Initialised mbarriers become visible to the copy engine. */
        MBARRIER_INIT("fence.mbarrier_init.release.cluster", Requirement.SM_90),
        /** Shared memory written by stores becomes visible to the tensor cores and the copy engine. */
        PROXY_ASYNC("fence.proxy.async.shared::cta", Requirement.SM_90),
        /** Registers written before may be read by the {@link Wgmma}s behind; by all threads of the warpgroup. */
        WGMMA("wgmma.fence.sync.aligned", Requirement.HOPPER),
        /** Closes a group of {@link Wgmma}s. */
        WGMMA_COMMIT("wgmma.commit_group.sync.aligned", Requirement.HOPPER);

        private final String opcode;
        private final Requirement requirement;

        Kind(String opcode, Requirement requirement) {
            this.opcode = opcode;
            this.requirement = requirement;
        }
    }

    @Override
    public String opcode() {
        return kind.opcode;
    }

    @Override
    public Requirement requirement() {
        return kind.requirement;
    }
}
