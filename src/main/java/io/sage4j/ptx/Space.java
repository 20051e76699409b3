package io.sage4j.ptx;

import java.util.Locale;

/** Memory spaces. */
public enum Space {
    /** Kernel parameters. */
    PARAM,
    /** Device memory. */
    GLOBAL,
    /** Shared memory of the CTA. */
    SHARED;

    /** Name in an instruction, without the dot. */
    public String ptx() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** @throws IllegalArgumentException if the address cannot be one of this space */
    void require(String opcode, Address address) {
        boolean fits =
                switch (this) {
                    case PARAM -> address.base() instanceof Param;
                    case GLOBAL ->
                        address.base() instanceof Reg && address.base().type() == RegType.B64;
                    case SHARED ->
                        !(address.base() instanceof Param) && address.base().type() == RegType.B32;
                };
        if (!fits) {
            throw new IllegalArgumentException(opcode + ": " + address + " is no address of " + this);
        }
    }
}
