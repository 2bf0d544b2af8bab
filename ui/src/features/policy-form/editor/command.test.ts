import { expect, it } from 'vitest';
import { asCommand } from './command';

it('takes any text as it is', () => {
  expect(asCommand('a: $(rm)\n')).toBe("kubectl apply -f - <<'EOF'\na: $(rm)\nEOF\n");
  expect(asCommand('a: |\nEOF\nEOFF')).toBe("kubectl apply -f - <<'EOFFF'\na: |\nEOF\nEOFF\nEOFFF\n");
});
